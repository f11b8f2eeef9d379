// A real OpenID provider on loopback, for the tests. Arguments: port, the client's redirect address, a mode.
// `otherkeys` publishes keys that its tokens are not signed with; `newkeys` signs with others after the first
// look at them; `noclaims` tells neither business nor role; `unverified` has not verified the address.
// Somebody's role is their name, and their address made of it, until /_set?id=…&roles=…&email=… says otherwise.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const [port, redirect, mode = ''] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const key = (kid) => ({ ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' });
const publicPart = ({ kty, n, e, kid, alg, use }) => ({ kty, n, e, kid, alg, use });

const told = {};
const make = (signing) => {
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'panel', client_secret: 'panel-secret-of-the-tests', redirect_uris: [redirect], grant_types: ['authorization_code'], response_types: ['code'] }],
    jwks: { keys: [signing] },
    cookies: { keys: ['cookie-key-of-the-tests'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'tenant_id', 'realm_access'] },
    features: { devInteractions: { enabled: true } },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        email: told[id]?.email ?? `${id}@clinica.example`,
        email_verified: mode !== 'unverified',
        name: 'Ana do Provedor',
        ...(mode === 'noclaims' ? {} : { tenant_id: 'clinica', realm_access: { roles: ['offline_access', ...(told[id]?.roles ?? [id])] } }),
      }),
    }),
  });
  provider.on('server_error', (_context, error) => console.error(error));
  return provider.callback();
};

const [first, second] = [key('first'), key('second')];
let callback = make(first);
createServer((request, response) => {
  if (request.url === '/jwks' && mode === 'otherkeys') {
    response.setHeader('content-type', 'application/jwk-set+json');
    response.end(JSON.stringify({ keys: [publicPart({ ...second, kid: 'first' })] }));
    return;
  }
  if (request.url.startsWith('/_set?')) {
    const { id, roles, email } = Object.fromEntries(new URL(request.url, issuer).searchParams);
    told[id] = { roles: roles?.split(',').filter(Boolean), email };
    response.end();
    return;
  }
  callback(request, response);
  if (request.url === '/jwks' && mode === 'newkeys') callback = make(second);
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
