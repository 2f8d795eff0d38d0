//! What kind of program a user agent belongs to.
//!
//! In: the text of a `User-Agent`. Out: [`Agent`]. Mail programs and mail
//! proxies are told first, then programs with a name, then automatons by
//! isbot's public patterns (`bot/named.txt`, `bot/unnamed.txt`), with native
//! apps, which a filter made for web pages tends to drop, held apart.

use std::cell::RefCell;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

/// What kind of program made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agent {
    /// A browser, or nothing that says otherwise.
    Human,
    /// A native app: a person.
    App,
    /// A mail program: a person who reads.
    EmailClient,
    /// Fetches images for a mail service, perhaps with no person: an open is
    /// to be flagged, not counted as engagement alone.
    EmailProxy,
    /// Follows links in mail before the reader does: never a click.
    LinkScanner,
    /// An automaton.
    Bot,
    /// A library programs make requests with, such as curl.
    HttpLibrary,
}

/// Image proxies and prefetchers. A bare `Mozilla/5.0` is Apple Mail Privacy
/// Protection (ua-parser/uap-core issue 509).
const EMAIL_PROXIES: &str = r"googleimageproxy|yahoomailproxy|seznamemailproxy|ramblermail|imageproxy\b|fastmailua|shortwave image fetcher|outlook-ios-image|^mozilla/5\.0$";

const LINK_SCANNERS: &str = r"barracuda ?sentinel|spamexperts|mimecast|proofpoint|safelinks|urldefense|trendmicro|symantec.*(?:email|web ?isolation)|messagelabs";

/// Mail programs, by name. Each is bounded so that a bot or an app which only
/// mentions one is not taken for it.
const EMAIL_CLIENTS: &str = r"\bmicrosoft outlook\b|\bms-?office(?:;|\)| )|\boutlook-(?:ios|android)/|thunderbird/|\bairmail\b|^apple ?mail\b|^mail/\d|\bbarca(?:pro)?/|canary(?:%20| )mail|\bpostbox/|\bspicebird/|\bmail(?:bird|spring|mate|plane)/|\bbluemail/|\blotus-notes/|\bpolymail/|^windowsmail/|^navermailapp/|\bandroid-gmail/|^davdroid/|^davx5/|\bthe bat!|\beudora\b|\bevolution/\d|\bkmail/|\bsylpheed|\bclaws mail|\bgeary/|\bsparrow/|\bemclient\b|\bprotonmail\b|\bfoxmail\b|^spark/";

/// Libraries, by the name they send themselves.
const HTTP_LIBRARIES: &str = r"^(?:lib)?curl/|^wget/|^python-(?:requests|urllib3?|httpx|httplib2|xmlrpc|aiohttp)|^python/\S* aiohttp|^aiohttp|^aiosonic|^boto3?/|^go-http-client|^go-resty|^fasthttp|^axios/|^node-fetch|^node-superagent|^superagent|^undici|^node(?:\.js)?(?:/|$)|^got[ /(]|^needle/|^bun/|^deno/|^electron-fetch|^okhttp/\S+$|^java/|^java-http-client|^apache-httpclient|^apache-httpasyncclient|^jakarta commons-httpclient|^google-http-java-client|^grpc-|^ahc/|^asynchttpclient|^reactornetty/|^jersey/|^unirest|^vert\.x|^jetty/|^guzzle|^php-curl|^php-soap|^php/|^symfony httpclient|^http_request|^pecl::http|^wordpress/\S+; |^ruby(?:/|$)|^faraday|^rest-client|^httparty|^typhoeus|^http\.rb|^mechanize|^www-mechanize|^libwww-perl|^lwp|^perl|^mojolicious|^httpie/|^xh/|^hyper/|^reqwest|^ureq/|^isahc|^dart/|^restsharp|^\.net|^dotnet|^microsoft\.net|^httpclient|^cpp-httplib|^postmanruntime|^insomnia/|^bruno|^apidog/|^thunder client|^hoppscotch|^k6/|^apachebench|^hey/|^wrk|^vegeta|^oha|^locust|^jmeter|^apache-jmeter|^azure-data-factory|^containers/|^buildah/|^helm/|^skopeo/|^go-containerregistry|^req/v|^httprs/|^libcurl|^winhttp|^powershell|windowspowershell/|^embarcadero|^erlang|^hackney/|^mint/|^elixir|^clj-http|^sttp|^scalaj|^akka-http|^pekko-http|^kong/|^zapier|^make/|^n8n|^segment|^analytics-(?:node|python|ruby|go|java|php)|^r-curl|^httr";

/// Marks of native apps: Apple's network layer, Android's, players of podcasts.
const APPS: &str = r"\bcfnetwork/|^dalvik/|\balamofire/|\bcronet/|^(?:antenna)?pod(?:cast|kicker)|^pocket ?casts|^audible\b|^media(?:monkey| player)|^windows-media-player";

/// Products named before a phone's system. Browsers look the same, so this is
/// asked of other agents only.
const APP_PRODUCTS: &str =
    r"^[\w.%&' -]+/[\w.()+-]*[ (;,].*\b(?:ios|iphone|ipad|ipados|ipod|android|watchos|tvos)\b";

/// What must not be read as a bot's name: what isbot excluded by look-around,
/// then products that contain one by chance.
const MASKED: &str = r" channel/google|google/google|google(?:wv|app|lens|/google| pixel| tv\b| earth|quicksearchbox|mobile/)|com\.google\.(?:maps|ios|android|opa)|_ios/com\.google|google_ios|gnews|newsarticle/|okhttp/|newssapphire| cubots?|camscan|libhttp|java;|qqdownload|ce-html/1\.0;|(?:s60 )?discovery(?: air| elite| pro|_a\d|2-dg)|msie [6-9].*chromeframe/|\b[a-z]+news/\d[\d.]*(?: ?\(| ip| r|$|/ios)|sogousearch$";

/// Automatons isbot does not know.
const FURTHER_BOTS: &str = r"uptime|\bseo(?:company|\b)|extractor|examiner|kube-probe|kubectl/|wkhtmlto|zombie\.js|claude-web|debugbear|observatory/|websnapr|webthumb|snapsearch|whatweb|gitlab/|\bpreload|\bcrwlr|htdig/|^\[object |cerberian|cpython/|jsdom/|lighthouse|barkrowler|^mikrotik/|::|^libvlc|dotbot|slurp|ahrefs|semrush|gptbot|anthropic|perplexity|bytespider";

static EMAIL_PROXY: LazyLock<Option<Regex>> = LazyLock::new(|| compile(EMAIL_PROXIES));
static LINK_SCANNER: LazyLock<Option<Regex>> = LazyLock::new(|| compile(LINK_SCANNERS));
static EMAIL_CLIENT: LazyLock<Option<Regex>> = LazyLock::new(|| compile(EMAIL_CLIENTS));
static HTTP_LIBRARY: LazyLock<Option<Regex>> = LazyLock::new(|| compile(HTTP_LIBRARIES));
static APP: LazyLock<Option<Regex>> = LazyLock::new(|| compile(APPS));
static APP_PRODUCT: LazyLock<Option<Regex>> = LazyLock::new(|| compile(APP_PRODUCTS));
static MASK: LazyLock<Option<Regex>> = LazyLock::new(|| compile(MASKED));
static NAMED: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(&format!("{}|{FURTHER_BOTS}", joined(include_str!("bot/named.txt")))));
static UNNAMED: LazyLock<Option<Regex>> = LazyLock::new(|| compile(&joined(include_str!("bot/unnamed.txt"))));

/// All patterns as one: nearly every browser matches none, which one pass over
/// its name tells.
static ANY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let lists = [joined(include_str!("bot/named.txt")), joined(include_str!("bot/unnamed.txt"))];
    let own = [EMAIL_PROXIES, LINK_SCANNERS, EMAIL_CLIENTS, HTTP_LIBRARIES, APPS, FURTHER_BOTS];
    compile(&own.into_iter().chain(lists.iter().map(String::as_str)).collect::<Vec<_>>().join("|"))
});

/// The patterns of a list, as one.
fn joined(list: &str) -> String {
    let patterns: Vec<&str> =
        list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    patterns.join("|")
}

/// `None` for a wrong pattern, which a test rules out. Bytes without Unicode,
/// as JavaScript reads these patterns. The cache of states is large enough for
/// these alternations (with 8 MiB a look takes fifty times longer) and small
/// enough that made-up agents cannot fill the memory.
fn compile(pattern: &str) -> Option<Regex> {
    const STATES_BYTES_MAX: usize = 32 * 1024 * 1024;
    RegexBuilder::new(pattern)
        .unicode(false)
        .case_insensitive(true)
        .size_limit(STATES_BYTES_MAX)
        .dfa_size_limit(STATES_BYTES_MAX)
        .build()
        .ok()
}

fn matches(regex: &LazyLock<Option<Regex>>, text: &[u8]) -> bool {
    LazyLock::force(regex).as_ref().is_some_and(|regex| regex.is_match(text))
}

/// Compiles the patterns, which takes a tenth of a second and else falls to the
/// first event. `false` when one is wrong, which a test rules out.
pub fn prepare() -> bool {
    [
        &EMAIL_PROXY,
        &LINK_SCANNER,
        &EMAIL_CLIENT,
        &HTTP_LIBRARY,
        &APP,
        &APP_PRODUCT,
        &MASK,
        &NAMED,
        &UNNAMED,
        &ANY,
    ]
    .iter()
    .all(|regex| LazyLock::force(regex).is_some())
}

thread_local! {
    /// The agent judged last on this thread: the events of one request, and of
    /// one visit, come from the same.
    static LAST: RefCell<(Vec<u8>, Option<Agent>)> = const { RefCell::new((Vec::new(), None)) };
}

/// The kind of program `user_agent` belongs to.
pub fn classify(user_agent: &str) -> Agent {
    let given = trimmed(user_agent);
    LAST.with_borrow_mut(|(text, known)| match known {
        Some(agent) if text == given => *agent,
        _ => {
            let agent = judge(given);
            text.clear();
            text.extend_from_slice(given);
            *known.insert(agent)
        }
    })
}

fn judge(given: &[u8]) -> Agent {
    let start = given.get(..5).unwrap_or_default();
    let browser = start.eq_ignore_ascii_case(b"mozil") || start.eq_ignore_ascii_case(b"opera");
    let person = if !browser && matches(&APP_PRODUCT, given) { Agent::App } else { Agent::Human };
    if !matches(&ANY, given) {
        return person;
    }
    let kinds = [
        (&EMAIL_PROXY, Agent::EmailProxy),
        (&LINK_SCANNER, Agent::LinkScanner),
        (&EMAIL_CLIENT, Agent::EmailClient),
        (&HTTP_LIBRARY, Agent::HttpLibrary),
    ];
    if let Some((_, agent)) = kinds.iter().find(|(regex, _)| matches(regex, given)) {
        return *agent;
    }
    let text = mask(given);
    if matches(&NAMED, &text) {
        return Agent::Bot;
    }
    if person == Agent::App || (!browser && matches(&APP, given)) {
        return Agent::App;
    }
    if matches(&UNNAMED, &text) { Agent::Bot } else { Agent::Human }
}

/// Whether an agent is held for an automaton only because it has the shape of
/// no browser: `MyShop-Backend/1.0`. That is reason enough to doubt a visitor,
/// but not a server that sends events with a key.
pub fn is_unnamed(user_agent: &str) -> bool {
    !matches(&NAMED, &mask(trimmed(user_agent)))
}

/// The part that is judged: no real agent is longer.
fn trimmed(user_agent: &str) -> &[u8] {
    const BYTES_MAX: usize = 1_024;
    let bytes = user_agent.trim().as_bytes();
    bytes.get(..BYTES_MAX).unwrap_or(bytes)
}

fn mask(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    match LazyLock::force(&MASK) {
        Some(regex) => regex.replace_all(text, &b" - "[..]),
        None => text.into(),
    }
}
