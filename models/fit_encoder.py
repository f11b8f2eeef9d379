"""Fits the encoder to customers' questions: python3 models/fit_encoder.py MODEL OUT PAIRS... [--held FILE]

MODEL is the pruned four-bit file; OUT the same with fitted layers, of eight bits. PAIRS are `.jsonl` files of `evaluation/pairs`: a
business a line, with its lines and what is asked of them. The embeddings of words stay as they are; the layers are
trained so that a question comes to lie nearer to the line that answers it than to the others, and farther than a
threshold from all where none does. Needs torch; takes about ten minutes on two cores. The ids of pieces come from
`cargo build --release -p embedding --example ids`.
"""
import json, math, os, random, struct, subprocess, sys
import numpy as np, torch, torch.nn.functional as F

torch.manual_seed(1); random.seed(1)
args = sys.argv[1:]
held = args[args.index("--held") + 1] if "--held" in args else None
epochs = int(args[args.index("--epochs") + 1]) if "--epochs" in args else 3
rate = float(args[args.index("--rate") + 1]) if "--rate" in args else 3e-5
files = [a for i, a in enumerate(args) if not a.startswith("--") and (i == 0 or not args[i - 1].startswith("--"))]
source, out, *pairs = files
IDS = os.path.expanduser(os.environ.get("IDS", "~/.cache/portaria/target/release/examples/ids"))

raw = open(source, "rb").read()
pos = 8
sizes = struct.unpack_from("<7i", raw, pos); pos += 28
H, NL, NH, FF, VOC, MAXP, _ = sizes
eps, = struct.unpack_from("<f", raw, pos); pos += 8
n, = struct.unpack_from("<i", raw, pos); pos += 4 + 16
blob, = struct.unpack_from("<Q", raw, pos); pos += 8 + 4 * (n + 1) + 4 * n + blob
_, nb = struct.unpack_from("<iI", raw, pos); pos += 8 + nb
directory = pos
ndir, = struct.unpack_from("<i", raw, pos); pos += 4
tensors = {}
for _ in range(ndir):
    ln, = struct.unpack_from("<H", raw, pos); pos += 2
    name = raw[pos:pos + ln].decode(); pos += ln
    kind = raw[pos]; count, off, size = struct.unpack_from("<IQQ", raw, pos + 1); pos += 21
    tensors[name] = (kind, count, off, size)

def floats(name):
    _, count, off, size = tensors[name]
    return torch.tensor(np.frombuffer(raw, "<f4", size // 4, off).copy())

def four_bit(name, rows):
    _, _, off, size = tensors[name]
    b = np.frombuffer(raw, np.uint8, size, off).reshape(-1, 18)
    d = b[:, :2].copy().view("<f2").astype(np.float32)
    q = b[:, 2:]
    x = np.concatenate([q & 15, q >> 4], 1).astype(np.float32) - 8
    return torch.tensor((x * d).reshape(rows, -1))

def pack(x):
    """As eight bits a weight: a scale and 32 weights a block. Four bits would round away what was learnt."""
    x = x.detach().numpy().reshape(-1, 32)
    d = (np.abs(x).max(1) / 127).astype("<f2")
    df = np.where(d == 0, 1, d).astype(np.float32)
    q = np.clip(np.round(x / df[:, None]), -127, 127).astype(np.int8)
    return np.concatenate([d.view(np.uint8).reshape(-1, 2), q.view(np.uint8)], 1).tobytes()

word = four_bit("emb.word", VOC)
place, typ = floats("emb.pos").reshape(-1, H), floats("emb.type")[:H]
P = {}
for name, (kind, count, off, size) in tensors.items():
    if name.startswith("l") and name[1].isdigit():
        rows = FF if ".fi.w" in name else H
        P[name] = (four_bit(name, rows) if name.endswith((".q.w", ".k.w", ".v.w", ".ao.w", ".fi.w", ".fo.w")) else floats(name)).requires_grad_()
    elif name.startswith("emb.ln"):
        P[name] = floats(name)
LAYER = {k: v for k, v in P.items() if v.requires_grad}

def encode(batch):
    """Short texts by themselves, so that a long one does not pad them all."""
    order = sorted(range(len(batch)), key=lambda i: len(batch[i]))
    parts = [encode_alike([batch[i] for i in order[at:at + 24]]) for at in range(0, len(order), 24)]
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(parts)[back]

def encode_alike(batch):
    L = max(map(len, batch))
    ids = torch.zeros(len(batch), L, dtype=torch.long); mask = torch.zeros(len(batch), L)
    for i, b in enumerate(batch):
        ids[i, :len(b)] = torch.tensor(b); mask[i, :len(b)] = 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return mean_of(layers_of(word[ids] + place[:L] + typ, mask, len(batch), L), mask)

def layers_of(x, mask, count, L):
    x = F.layer_norm(x, (H,), P["emb.ln.w"], P["emb.ln.b"], eps)
    bias = (1 - mask)[:, None, None, :] * -1e9
    for l in range(NL):
        g = lambda s: P[f"l{l}.{s}"]
        heads = lambda t: t.view(count, L, NH, H // NH).transpose(1, 2)
        q, k, v = (heads(F.linear(x, g(f"{c}.w"), g(f"{c}.b")[:H])) for c in "qkv")
        a = F.softmax(q @ k.transpose(-1, -2) / math.sqrt(H // NH) + bias, -1) @ v
        a = F.linear(a.transpose(1, 2).reshape(count, L, H), g("ao.w"), g("ao.b"))
        x = F.layer_norm((x + a).float(), (H,), g("aln.w"), g("aln.b"), eps)
        f = F.linear(F.gelu(F.linear(x, g("fi.w"), g("fi.b"))), g("fo.w"), g("fo.b"))
        x = F.layer_norm((x + f).float(), (H,), g("oln.w"), g("oln.b"), eps)
    return x

def mean_of(x, mask):
    m = mask[:, :, None]
    return F.normalize(((x * m).sum(1) / m.sum(1)).float(), dim=-1)

def businesses(paths):
    out = []
    for path in paths:
        for line in open(path):
            b = json.loads(line)
            says = [f"{l.get('question') or l.get('heading') or ''} {l['text']}".strip() for l in b["lines"]]
            out.append((says, [(f"{a.get('before', '')} {a['q']}".strip(), a["lines"]) for a in b["asks"]]))
    return out

def tokens(texts):
    done = subprocess.run([IDS], input="\n".join(t.replace("\n", " ") for t in texts) + "\n", capture_output=True, text=True, check=True)
    return [list(map(int, l.split())) for l in done.stdout.splitlines()]

def prepared(paths):
    out = []
    for says, asks in businesses(paths):
        t = tokens([f"passage: {s}" for s in says] + [f"query: {q}" for q, _ in asks])
        out.append((t[:len(says)], t[len(says):], [g for _, g in asks]))
    return out

train = prepared([p for p in pairs if p != held])
test = prepared([held]) if held else []

def measure(name, data):
    right = total = 0; yes, no = [], []
    with torch.no_grad():
        for says, asks, gold in data:
            s = encode(asks) @ encode(says).T
            for row, g in zip(s, gold):
                (yes if g else no).append(row.max().item())
                if g: total += 1; right += row.argmax().item() in g
    auc = np.mean([(a > b) + .5 * (a == b) for a in yes for b in no]) if no else 0
    print(f"{name}: first {right / total:.3f}, answerable against not {auc:.3f}", flush=True)

logit = torch.tensor([3.0, 0.0], requires_grad=True)
if test: measure("before", test)
steps = epochs * len(train)
opt = torch.optim.AdamW([{"params": list(LAYER.values()), "lr": rate, "weight_decay": 0.0}, {"params": [logit], "lr": 0.02, "weight_decay": 0.0}])
at = 0
for epoch in range(epochs):
    random.shuffle(train); total = 0
    for says, asks, gold in train:
        for group in opt.param_groups[:1]:
            group["lr"] = rate * min(1, (at + 1) / 10) * (1 - at / steps)
        s = encode(asks) @ encode(says).T
        s = torch.exp(logit[0]) * (s - 0.82)
        s = torch.cat([s, logit[1].expand(len(asks), 1)], 1)
        loss = 0
        for row, g in zip(F.log_softmax(s, 1), gold):
            loss = loss - torch.logsumexp(row[g if g else [len(says)]], 0)
        loss = loss / len(asks)
        opt.zero_grad(); loss.backward(); torch.nn.utils.clip_grad_norm_(LAYER.values(), 1.0); opt.step()
        total += loss.item(); at += 1
    print(f"round {epoch + 1}: loss {total / len(train):.3f}", flush=True)
    if test: measure("held", test)

head = bytearray(raw[:directory]) + struct.pack("<i", ndir)
offset = len(head) + sum(2 + len(name) + 21 for name in tensors)
body = bytearray()
for name, (kind, count, off, size) in tensors.items():
    data = raw[off:off + size]
    if name in LAYER:
        x = LAYER[name]
        kind, data = (8, pack(x)) if x.dim() == 2 else (kind, x.detach().numpy().astype("<f4").tobytes())
    head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", kind, count, offset + len(body), len(data))
    body += data
open(out, "wb").write(head + body)
