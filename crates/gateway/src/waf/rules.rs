//! The rules: numbers and names that stay, how much is looked for, where, and what.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

use crate::config::WafLevel;

/// Where a text of a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// The path as it came, and its parts.
    Path,
    /// Names and values of the query.
    Query,
    /// A field of a body, its name, or the path to it.
    Body,
    /// A body without fields, such as XML.
    Raw,
    Header,
    /// The head of a file in a body.
    File,
    /// The fields by which programs name themselves.
    Agent,
}

/// What a rule looks for.
pub(super) enum Look {
    /// SQL by its grammar.
    Sql,
    /// HTML that runs scripts, by its grammar.
    Html,
    Pattern(fn() -> &'static Regex),
    /// Told by whoever takes a request apart, not by a text.
    Shape,
}

pub(super) struct Rule {
    pub(super) id: u16,
    pub(super) name: &'static str,
    pub(super) level: WafLevel,
    pub(super) from: &'static [From],
    pub(super) look: Look,
}

/// The number of the rule that a body's odd shape matches.
pub(super) const ODD_BODY: u16 = 1024;

macro_rules! pattern {
    ($($text:literal),+ $(,)?) => {
        Look::Pattern(|| {
            static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
                RegexBuilder::new(concat!($($text),+))
                    .case_insensitive(true)
                    .build()
                    .expect("a pattern of ours is sound")
            });
            &PATTERN
        })
    };
}

const FIELDS: &[From] = &[From::Query, From::Body];
const PLACES: &[From] = &[From::Path, From::Query, From::Body];
const VALUES: &[From] = &[From::Path, From::Query, From::Body, From::Header];
const TEXTS: &[From] = &[From::Path, From::Query, From::Body, From::Raw, From::Header, From::Agent];

const fn rule(
    id: u16,
    name: &'static str,
    level: WafLevel,
    from: &'static [From],
    look: Look,
) -> Rule {
    Rule { id, name, level, from, look }
}

pub(super) const RULES: &[Rule] = &[
    rule(1001, "sql_injection", WafLevel::Basic, PLACES, Look::Sql),
    rule(1002, "script_injection", WafLevel::Basic, PLACES, Look::Html),
    rule(
        1003,
        "path_traversal",
        WafLevel::Basic,
        VALUES,
        pattern!(
            r"(?:\.\.[/\\]){2}|(?:^|[=/\\])\.\.[/\\](?:etc|proc|var|windows|boot|home|root)|\.{3,}[/\\]+\.{2,}|\.\.;[/\\]",
            r"|/etc/(?:passwd|shadow|group|hosts|issue|crontab|ssh/)|/proc/self/|\bwin\.ini\b|\bboot\.ini\b|\bweb-inf\b",
            r"|/var/log/(?:apache|nginx|auth|syslog)|\bc:[/\\]+(?:windows|winnt|boot)|\bsystem32[/\\]",
            r"|[/\\]\.(?:ssh|aws|git|svn)[/\\]|[/\\]id_rsa\b"
        ),
    ),
    rule(
        1004,
        "lookup_injection",
        WafLevel::Basic,
        TEXTS,
        pattern!(
            r"\$\{[^}]{0,60}j[^}]{0,30}n[^}]{0,30}d[^}]{0,30}i[^:]{0,20}:|\$\{\s*(?:jndi\s*:|(?:lower|upper|env|sys|date|::?-?)[^}]{0,40}\})"
        ),
    ),
    rule(
        1005,
        "shell_function",
        WafLevel::Basic,
        &[From::Header, From::Agent],
        pattern!(r"\(\s*\)\s*\{"),
    ),
    rule(
        1006,
        "hidden_file",
        WafLevel::Basic,
        &[From::Path],
        pattern!(
            r"/\.(?:env|git|svn|hg|aws|ssh|htpasswd|htaccess|npmrc|docker)(?:$|[/.])|/(?:wp-config\.php|id_rsa|\.DS_Store)(?:$|[.~])"
        ),
    ),
    rule(1007, "control_character", WafLevel::Basic, VALUES, pattern!(r"(?-u)\x00")),
    rule(
        1008,
        "command_injection",
        WafLevel::Standard,
        VALUES,
        pattern!(
            r"(?:[;|&`\r\n]|\$\()\s*(?:/(?:usr/)?bin/)?(?:cat|whoami|wget|curl|nc|ncat|bash|sh|zsh|ksh|powershell|pwsh|cmd(?:\.exe)?|ping|uname|ifconfig|ipconfig|netstat|nslookup|python[23]?|perl|ruby|php|chmod|chown|rm|ls|dir|type|ps|env|telnet|tftp|certutil|sleep|timeout|id|awk|sed|printenv)\b(?:\s+(?:[-/$.~'\x22*]|https?:|\d+(?:\.\d|\s*(?:$|[;|&`)#])))|\s*[;|&`)#<>]|\s*$|\$\{?ifs)",
            r"|\$\{?ifs\b|\$\((?:\s*[a-z/]+\s*)\)|`\s*(?:id|ls|whoami|uname|hostname|pwd)\b[^`]{0,60}`",
            r"|/dev/(?:tcp|udp)/|\bbash\s+-[ci]\b|\bnc\s+-[a-z]*e|\bpowershell(?:\.exe)?\s+-(?:e|enc|nop|w)|\bcmd(?:\.exe)?\s+/[ck]\s",
            r"|/bin/(?:ba|z|k|c|da)?sh\b|\bwget\s+-|\bcurl\s+-[a-z]*[oos]\b|/(?:\?{2,}|b\?n|\?in)/[a-z?*]+",
            r"|[;|]\s*(?:[a-z]['\x22\\]{1,2}){2,}[a-z]+\s+[/~.-]|\$\(\s*(?:curl|wget|nc|ping|nslookup|dig|cat|ls|id|whoami|uname|bash|sh)\b[^)]*\)|>\s*/(?:tmp|dev|etc|var)/"
        ),
    ),
    rule(
        1009,
        "php_injection",
        WafLevel::Standard,
        &[From::Path, From::Query, From::Body, From::Raw, From::Header, From::Agent],
        pattern!(
            r"<\?(?:php|=)|\b(?:php|phar|expect|zip|data|glob)://|\b(?:base64_decode|shell_exec|passthru|proc_open|popen|pcntl_exec|call_user_func|create_function|phpinfo|file_get_contents|file_put_contents|assert|system|eval|exec)\s*\(\s*(?:\$|['\x22\x60)]|base64|str_rot|gzinflate|chr\()",
            r"|\$_(?:get|post|request|cookie|server|files|session)\s*\[|data:[a-z/]+;base64,PD9|\ballow_url_include\b|\bauto_prepend_file\b"
        ),
    ),
    rule(
        1010,
        "external_entity",
        WafLevel::Standard,
        &[From::Query, From::Body, From::Raw],
        pattern!(
            r#"<!ENTITY\s|<!DOCTYPE\s[^>]*(?:SYSTEM|PUBLIC)\s*["'][^"']*(?:file|ftp|http|php|gopher|expect)|<!DOCTYPE[^>]*\[|\bxi:include\b|<\?xml-stylesheet\s[^>]*href\s*=\s*["']http"#
        ),
    ),
    rule(
        1011,
        "scanner",
        WafLevel::Standard,
        &[From::Agent],
        pattern!(
            r"\b(?:sqlmap|nikto|nessus|acunetix|wpscan|nuclei|dirbuster|gobuster|feroxbuster|ffuf|masscan|zgrab|havij|openvas|w3af|arachni|netsparker|commix|jaeles|whatweb)\b"
        ),
    ),
    rule(
        1012,
        "metadata_address",
        WafLevel::Standard,
        VALUES,
        pattern!(
            r"\b169\.254\.169\.254\b|\bmetadata\.(?:google|azure)\.internal\b|\b100\.100\.100\.200\b|\bfd00:ec2::254\b|\b169\.254\.170\.2\b",
            r"|://(?:2852039166|0xa9fea9fe|0xa9\.0xfe|0251\.0376|\[::ffff:(?:169\.254|a9fe))|/latest/meta-data|/computemetadata/v1"
        ),
    ),
    rule(
        1013,
        "template_expression",
        WafLevel::Strict,
        FIELDS,
        pattern!(r"\{\{[^}]*[*(_][^}]*\}\}|<%=|#\{[^}]*[*(][^}]*\}"),
    ),
    rule(1014, "sql_injection_in_header", WafLevel::Standard, &[From::Header], Look::Sql),
    rule(1015, "script_injection_in_header", WafLevel::Standard, &[From::Header], Look::Html),
    // These two add what libinjection is less sure of.
    rule(
        1025,
        "sql_phrase",
        WafLevel::Standard,
        VALUES,
        pattern!(
            r"\bunion\s+(?:(?:all|distinct)\s*)?\(?\s*select\s*(?:[\d'\x22(*@+~-]|null\b|\w+\s*(?:,|\(|\bfrom\b))",
            r"|;\s*(?:drop|alter|truncate|create|insert|delete|update|exec(?:ute)?|shutdown|declare|merge|grant|replace)\s+(?:table|database|into|from|user|view|schema|procedure|master|xp_|@|\w+\s+set\b|all\b)",
            r"|\b(?:pg_sleep|dbms_lock\.sleep|dbms_pipe\.receive_message|benchmark|sleep)\s*\(\s*['\x22(]?[\d(c]|\bwaitfor\s+(?:delay|time)\b",
            r"|['\x22)]\s*(?:or|and|xor|\|\||&&|having|rlike|regexp)\s*(?:not\s+)?[!~(]*\s*(?:['\x22]?[\w.@]*['\x22]?\)?\s*(?:=|<=?>?|>|!=|<>|\blike\b|\bin\b\s*\(|\bis\s+(?:not\s+)?null\b|\bbetween\b|\brlike\b)|true\b|false\b|exists\b|\d+\s*(?:--|#|/\*|\z))",
            r"|\b(?:or|and|xor|\|\||&&)\s+\(?\s*(?:\d+\s*(?:=|<=?>?|>|!=|like)\s*\d+|(['\x22])[^'\x22]{0,20}['\x22]\s*(?:=|like)\s*['\x22])",
            r"|\b(?:information_schema|sysobjects|syscolumns|pg_catalog|pg_shadow|pg_user|sqlite_master|sqlite_schema|mysql\.user|sys\.(?:tables|objects|user|databases)|all_tables|user_tables|v\$version)\b",
            r"|@@(?:version|hostname|datadir|servername)\b|\bxp_(?:cmdshell|dirtree|regread)\b|\bsp_(?:executesql|oacreate|password)\b|\bload_file\s*\(|\binto\s+(?:out|dump)file\b|\bload\s+data\s+(?:local\s+)?infile\b",
            r"|\b(?:extractvalue|updatexml|group_concat|utl_http|utl_inaddr|xmltype|json_keys|gtid_subset|exp)\s*\(\s*(?:0x|~|\(|['\x22\d]|select|concat|user|version|upper)|\bprocedure\s+analyse\b",
            r"|\b(?:ascii|ord|substr(?:ing)?|mid|char|chr|concat|hex|unhex|length|if|iif|cast|convert|count|coalesce)\s*\(\s*\(?\s*select\b|\(\s*select\b[^)]{0,120}\bfrom\b|\bcase\s+when\s+[^ ]+\s*=",
            r"|\border\s+by\s+\d+\s*(?:--|#|;|/\*)|\bgroup\s+by\s+[\w.,]+\s+having\b|\bcopy\s+\w+\s+(?:from|to)\s+program\b|'\s*(?:;|\|\||\+)\s*--|['\x22]\s*(?:--\s*[-+]?|#)\s*$|\b(?:0x[0-9a-f]{8,})\s*(?:--|,|\))"
        ),
    ),
    rule(
        1026,
        "script_phrase",
        WafLevel::Standard,
        VALUES,
        pattern!(
            r"<[a-z!/?][^>]*[\s/'\x22\x0b\x0c]on[a-z]{3,25}\s*=|<\s*/?\s*(?:script|iframe|frameset|object|embed|applet|base|meta|svg|math|style|link|isindex|marquee|template|form|portal|xss)\b[^a-z]",
            r"|['\x22]\s*(?:[a-z-]+\s*=?\s*)?\bon[a-z]{3,25}\s*=\s*['\x22]?[^'\x22\s>]*[(`=]|(?:java|vb|live)script\s*:\s*[^\s]*[(=`\[/]|\bdata:\s*text/html|\bsrcdoc\s*=|\bexpression\s*\(|\b-moz-binding\b|@import\s+['\x22u]",
            r"|['\x22`);}\]]\s*[-+;,|&^*/]*\s*(?:top|self|window|this|parent|globalthis)?\s*[.\[]?\s*['\x22]?(?:alert|confirm|prompt|eval|settimeout|setinterval|fetch|atob)\b['\x22]?\]?\s*(?:\(|`|\.call|\.apply|/\*)",
            r"|\b(?:top|self|window|parent|this|globalthis|frames)\s*\[\s*['\x22`][^\]]{1,80}\]\s*(?:\(|`)|\bdocument\s*\.\s*(?:cookie|domain|location|write|body|forms)|\bwindow\s*\.\s*(?:location|name|open)\b|\bstring\s*\.\s*fromcharcode\b|\blocation\s*(?:\.\s*(?:href|hash|replace|assign))\s*[=(]|\bnew\s+(?:function|image|xmlhttprequest|websocket)\s*\(|\bimport\s*\(\s*['\x22]|\bconstructor\s*\(\s*['\x22]|\$\{\s*(?:alert|eval|fetch)\s*\("
        ),
    ),
    rule(
        1016,
        "query_operator",
        WafLevel::Standard,
        FIELDS,
        pattern!(
            r"^\$(?:where|function|accumulator|expr|jsonschema)$|\[\$where\]|\b(?:user(?:name)?|login|email|pass(?:word|wd)?|senha|usuario|token|pin|otp)\]?\[\$(?:ne|gte?|lte?|regex|n?in|exists|not|or)\]|\bthis\.[a-z_]+\s*(?:==|!=|\.match)|\bdb\.[a-z_]+\.(?:find|drop|insert|update)\s*\(|;\s*return\s+(?:true|1)\b|\|\|\s*['\x22]?1['\x22]?\s*==\s*['\x22]?1"
        ),
    ),
    rule(
        1017,
        "expression_injection",
        WafLevel::Standard,
        TEXTS,
        pattern!(
            r"\{\{\s*['\x22]?\d+['\x22]?\s*[*+-]\s*['\x22]?\d+['\x22]?\s*\}\}|[$#@*%]\{\s*\d+\s*[*+-]\s*\d+\s*\}|<!--\s*#\s*(?:exec|include|echo|printenv|set)\b|<%=?\s*(?:\d+\s*[*+-]|system|`|exec|file\.|global)|__(?:class|mro|subclasses|globals|builtins|import|init|reduce)__",
            r"|\bt\s*\(\s*java\.|\bjava\.lang\.(?:runtime|processbuilder|class|system)|\bgetclass\s*\(\s*\)|\bgetruntime\s*\(|\bfreemarker\.template\.utility|\bclass\.module\.classloader|%\{\s*\(?#|\(#(?:_memberaccess|context|request)|@java\.lang|#(?:set|foreach)\s*\(\s*\$",
            r"|\bconstructor\s*\.\s*constructor\b|\bconstructor\[prototype\]|\bprocess\s*\.\s*(?:mainmodule|binding|env\b)|\brequire\s*\(\s*['\x22](?:child_process|fs|net|os)|(?:^|[.\[\x22'])__proto__(?:$|[.\]\[\x22'])|\bglobal\.process\b",
            r"|\{%\s*(?:for|if|set|include|import|debug|raw)\b|\{\{[^}]{0,80}(?:config\b|self\b|request\b|cycler|lipsum|joiner|\|\s*attr|\|\s*map|\|\s*filter|\.constructor|\$on\.|_self|range\.)|\{php\}|\{\$smarty|\{system\(|\{\{[^}]*\bsystem\b"
        ),
    ),
    rule(
        1018,
        "header_injection",
        WafLevel::Standard,
        &[From::Path, From::Query, From::Body],
        pattern!(
            r"[\r\n]\s*(?:set-cookie|content-(?:length|type|disposition)|transfer-encoding|x-forwarded-\w+|location\s*:\s*(?:https?:)?//|refresh)\s*:?|[\r\n]\s*(?:bcc|cc|reply-to)\s*:\s*[^\s@]+@|[\r\n]http/1\.[01]\s|[\r\n](?:get|post)\s+/[^ ]*\s+http/"
        ),
    ),
    rule(
        1019,
        "directory_filter",
        WafLevel::Standard,
        FIELDS,
        pattern!(
            r"\*\)\s*\(\s*[|&!(a-z]|\)\s*\(\s*[|&]\s*\(?|^\*\)|\(\s*[|&]\s*\(\s*[a-z]+\s*=|\b(?:objectclass|samaccountname)\s*=\s*\*|'\s*\]\s*\|\s*//|\bcount\s*\(\s*/|\bstring-length\s*\(|/\*\[\d+\]|\bname\s*\(\s*/|'\s*or\s+(?:name|position|contains|starts-with)\s*\("
        ),
    ),
    rule(
        1020,
        "foreign_scheme",
        WafLevel::Standard,
        VALUES,
        pattern!(
            r"\b(?:gopher|dict|ldaps?|jar|netdoc|rmi|tftp|ssh2|ogg|rar|zlib|compress\.zlib)://|\bfile:/{1,3}(?:etc|proc|var|c:|c\||windows|root|home|dev)|\bjar:(?:https?|file):|://(?:0x7f|0177\.|2130706433|\[::ffff:(?:127|7f)|\[::1?\]|0\.0\.0\.0)|\b(?:spoofed\.)?burpcollaborator\.net\b|\binteract\.sh\b|\boast\.(?:fun|pro|live|site|online|me)\b"
        ),
    ),
    rule(
        1021,
        "local_address",
        WafLevel::Strict,
        FIELDS,
        pattern!(
            r"://(?:[^/@]*@)?(?:localhost|127(?:\.\d+){1,3}|10(?:\.\d+){3}|192\.168(?:\.\d+){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d+){2})(?:$|[:/?#])"
        ),
    ),
    rule(
        1022,
        "serialized_object",
        WafLevel::Standard,
        &[From::Query, From::Body, From::Raw, From::Header],
        pattern!(
            r"\brO0AB[A-Za-z0-9+/]|\baced0005|\bO:\d{1,4}:\x22[\w\\]{1,120}\x22:\d+:\{|\ba:\d+:\{[is]:\d|\bAAEAAAD/{3}|!!python/|!!(?:javax|java|com)\.|!ruby/(?:object|hash)|_\$\$ND_FUNC\$\$_|\bgASV[A-Za-z0-9+/]{8}|\$type\x22?\s*:\s*\x22system\.|\bObjectDataProvider\b|<java(?:\s+version|>)|<sorted-set>|<dynamic-proxy>"
        ),
    ),
    rule(
        1023,
        "injection_in_agent",
        WafLevel::Standard,
        &[From::Header, From::Agent],
        pattern!(
            r"<\?|<script|\bselect\b[^;]{1,80}\bfrom\b[^;]{1,60}\bwhere\b|\bunion\b\s+(?:all\s+)?select\b|<!--\s*#\s*(?:exec|include|echo)"
        ),
    ),
    rule(
        1027,
        "dangerous_upload",
        WafLevel::Standard,
        &[From::File],
        pattern!(
            r"\.(?:php\d?|phtml|phar|pht|jspx?|aspx?|ashx|asmx|cfm|cgi|htaccess|htpasswd|war)(?:[.\x22\s;:%\x00/]|$)|\.\.[/\\]"
        ),
    ),
    rule(ODD_BODY, "odd_body", WafLevel::Standard, &[], Look::Shape),
];
