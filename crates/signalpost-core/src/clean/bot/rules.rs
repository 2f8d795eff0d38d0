//! The patterns user agents are told apart by, and their compiled forms.
//!
//! In: our own patterns below and isbot's lists beside this file. Out: one
//! [`Pattern`] a question. All are matched without case, over bytes without
//! Unicode, as JavaScript reads isbot's. Each pattern of our own is about a
//! kind of program, not about one text, so that agents never seen before fall
//! under it.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

/// Image proxies and prefetchers of mail services. A bare `Mozilla/5.0` is
/// Apple Mail Privacy Protection (ua-parser/uap-core issue 509).
const EMAIL_PROXIES: &str = r"googleimageproxy|\bggpht\.com|(?:mail|e-?mail)[ _-]?(?:image)?[ _-]?(?:proxy|prefetch|fetcher|cache)|mail.*image ?proxy|^fastmailua|\boutlook-ios-image|^mozilla/5\.0$|mail ?privacy ?protection|(?:proton|tuta|fastmail|zoho|superhuman|shortwave|canary|spark|hey|gmx|web\.de|seznam|rambler|yahoo|gmail|naver|daum|cloudmagic|newton|edison|mail\.ru|yandex\.?mail|outlook|office365|icloud|apple)[\w .-]*(?:image[ _-]?(?:proxy|fetch(?:er)?|cache|loader)|proxy|prefetch(?:er)?)";

/// Services that open links in mail before the reader does.
const LINK_SCANNERS: &str = r"barracuda|spamexperts|mimecast|proofpoint|safe ?links|urldefense|url ?defense|trend ?micro|symantec.*(?:email|web ?isolation)|messagelabs|ironport|fireeye|forcepoint|mailguard|mail ?(?:scanner|marshal|assure)|spamtitan|spamhaus|spam ?(?:filter|assassin|scan|check)|anti-?spam|anti-?phish|phish(?:tank|labs|me|ing)|virus ?scan|sophos ?(?:e?mail|link|url)|cloudmark|vade ?(?:secure|retro)|hornetsecurity|mailcontrol|abnormal ?security|avanan|ironscales|inky\b|zerospam|egress|mail ?protect|(?:e?mail|link|attachment)[ -]?(?:security|protection|scan(?:ner)?|guard|checker for mail)|time ?of ?click";

/// Mail programs, by name. Each is bounded so that a bot or an app which only
/// mentions one is not taken for it.
const EMAIL_CLIENTS: &str = r"\bmicrosoft outlook\b|^mac ?outlook/|^outlook-express/|\bms-?office(?:;|\)| )|\boutlook(?:-(?:ios|android)| for (?:ios|mac|android))?/\d|\boutlookmobile|com\.microsoft\.(?:office\.)?outlook|thunderbird/|\bairmail\b|^apple ?mail\b|^(?:mobile)?mail/\d|\bbarca(?:pro)?/|canary(?:%20| )mail|\bpostbox/|\bspicebird/|\bmail(?:bird|spring|mate|plane|master|droid|time|tab)/|\bbluemail\b|\blotus[- ]notes|\bpolymail/|^windows ?mail/|^navermailapp/|\bandroid-gmail/|^gmail/|com\.google\.gmail|com\.google\.android\.gm\b|^davdroid/|^davx5/|\bthe ?bat!?[/ ]|\beudora\b|\bevolution/\d|\bk-?mail/|\bsylpheed|\bclaws[- ]mail|\bgeary/|\bsparrow/|\bem ?client\b|\bproton ?mail(?:/|$| )|\bfoxmail\b|^spark(?:%20mail)?/|^superhuman|\bk-?9(?: |%20)?mail|^fairemail|^aqua ?mail|^typeapp|^edison ?mail|^newton(?:%20| )?mail|^yahoo ?mail(?:/| app|ios|android)|^readdle|^rambox ?pro|\bnextcloud-mail|^mutt/|^alpine/|^trojita|^balsa/|^incredimail|^pegasus mail|^becky|^shuriken|^mozilla/\S+ \(.*\) gecko/\S+ icedove/|\bseamonkey mail|^mailpile|^zdesktop|\bzimbra desktop|^hiri/|^mimestream|^nine/|^fossify email|^samsung ?email|^com\.samsung\.android\.email";

/// Libraries, by the name they send themselves.
const HTTP_LIBRARIES: &str = r"^(?:lib)?curl\b|^wget\b|^python\b|^python-(?:requests|urllib3?|httpx|httplib2|xmlrpc|aiohttp)|^aiohttp|^aiosonic|^boto3?/|^go-http-client|^go-resty|^fasthttp|^axios/|^node-fetch|^node-superagent|^superagent|^undici|^node(?:\.js)?(?:/|$)|^got[ /(]|^needle/|^bun/|^deno/|^electron-fetch|^okhttp(?:/\S+)?$|^java[/ ]|^java-http-client|^apache-httpclient|^apache-httpasyncclient|^jakarta commons-httpclient|^google-http-java-client|^grpc-|^ahc/|^asynchttpclient|^reactornetty/|^jersey/|^unirest|^vert\.x|^jetty/|^guzzle|^php-curl|^php-soap|^php/|^symfony httpclient|^http_request|^pecl::http|^wordpress/\S+; |^ruby(?:/|$)|^faraday|^rest-client|^httparty|^typhoeus|^http\.rb|^mechanize|^www-mechanize|^libwww|^lwp|^perl|^mojolicious|^httpie/|^xh/|^hyper/|^reqwest|^ureq/|^isahc|^dart/|^dart:io|^restsharp|^\.net|^dotnet|^microsoft\.net|^httpclient|^http-?client|^cpp-httplib|^postmanruntime|^insomnia/|^bruno|^apidog/|^thunder client|^hoppscotch|^k6/|^apachebench|^hey/|^wrk|^vegeta|^oha|^locust|^jmeter|^apache-jmeter|^azure-data-factory|^containers/|^buildah/|^helm/|^skopeo/|^go-containerregistry|^req/v|^httprs/|^winhttp|^powershell|^embarcadero|^erlang|^hackney/|^mint/|^elixir|^clj-http|^sttp|^scalaj|^akka-http|^pekko-http|^kong/|^zapier|^make/|^n8n|^segment|^analytics-(?:node|python|ruby|go|java|php)|^r-curl|^httr|^aria2|^axel|^fetch/|^webclient/|^http/|^retrofit|^volley/|^ktor|^requests/|^httpx|^urllib|^pycurl|^scrapy|^colly|^tornado|^twisted|^snoopy|^zend|^cakephp|^laravel|^drupal|^wordpress|^lua-resty|^nginx|^docker/|^gradle/|^maven|^ivy/|^pip/|^npm/|^yarn/|^pnpm/|^cargo/|^jgit|^composer/|^nuget|^bundler|^rubygems|^conda/|^homebrew|^apt-|^debian apt|^dnf|^yum|^pacman|^ansible|^terraform|^packer/|^qt\b|^poe-component|^tcl http|^rexx|^indy library|^mozilla/\S+ \(compatible; indy library";

/// Tools that drive a browser with no person before it.
const AUTOMATIONS: &str = r"headless|selenium|webdriver|phantomjs|slimerjs|casperjs|puppeteer|playwright|cypress/|zombie\.js|jsdom/|htmlunit|nightmare/|splinter|functionize|testcafe|browserstack|saucelabs|lambdatest|pingdom|webkit2png|wkhtmlto|cutycapt|capybara|poltergeist|rendertron|prerender|chrome-lighthouse|lighthouse|webpagetest|\bptst[ /]\d|synthetics?\b|\bemulator-?test|\bylt\b|x11; linux[^)]*\) applewebkit/[\d.]+ \(khtml, like gecko\) [a-z]{3,} safari/|screen ?-?shot";

/// Words and names that only automatons have.
const FURTHER_BOTS: &str = r"b-o-t\b|bot[ /;:,_(\d-]|\brobot|crawl|spyder|scrap[ei]|harvest|uptime|\bseo(?:company|lizer|\b)|extractor|examiner|kube-probe|kubectl/|claude-web|debugbear|observatory/|websnapr|webthumb|snapsearch|whatweb|gitlab/|\bpreload|\bcrwlr|htdig|^\[object |cerberian|cpython/|barkrowler|^mikrotik/|dotbot|slurp|ahrefs|semrush|gptbot|anthropic|perplexity|bytespider|openai|\bgrub\b|link ?-?(?:check|resolv|walk|valet|sleuth|validat|extract|prevue|unfurl)|url ?-?(?:check|resolv|expan|valid)|site ?-?(?:check|monitor|guard|mon\b|scan|map|sucker|snagger|analy|audit|grab)|web ?-?(?:mon\b|check|copier|collage|zip|strip|reap|fetch|grab|suck|capture|thumb|screenie|snap|scan|analy|index|mirror|monitor|index)|page ?-?(?:check|valet|fetch|grab|analy|peek|load)|internet monitoring|content retrieval|classification engine|web services client protocol|fetch api request|fetcher|unshort|(?:^|\W)thumb(?:nail|shot)|\bspeng\b|\bsiege/|\bnikto|sqlmap|nmap|masscan|zgrab|\bzmap|nessus|acunetix|\bw3af|nuclei|wpscan|dirbust|gobuster|\bhydra\b|pentest|vulnerab|monitis|nagios|zabbix|check_http|health[ -]?check|site24x7|newrelic|datadog|dynatrace|appdynamics|heritrix|nutch|wayback(?:archive|save)|mementoweb|archiv(?:er|e\.org|e-it)|plagiar|turnitin|safeassign|copyscape|ssl ?(?:labs|test)|certificate ?(?:check|trans)|\.edu/|validat(?:or|ion)|\bindexer|\bdeepl|translate\b|link preview|metadata ?(?:fetch|pars)|embed(?:ly|rock|bot|ding)|opengraph|oembed|iframely|webmention|pingback|trackback|blogsearch|feed ?(?:fetch|burner|ly/|pars|valid|press|bin|spot|wrangler|mirror)|rss ?-?(?:bot|fetch|reader bot)|bloglines|(?:link|web|site|data|url|seo|search|media|social|ads?|page)[a-z]*(?:agent|walker|hunter|seeker|finder|digger|miner|gather)|\bsearch ?engine|\bpagepeeker|\bsqworm|\bmapper|\bowler/|appengine-google|facebook(?:external|platform|catalog|scraper|bot)|meta-external|url ?test|tester/|https?check|notification scanner|yandex\.translate|^whatsapp/[\d.]+ [awn]$|^whatsapp/\d\.\d+\.\d+[ /]i$|^microsoft office (?:excel|word|powerpoint|onenote) 20\d\d|^microsoft office mobile/15|^microsoft office (?:existence|protocol)|^mozilla/5\.0 \(macintosh; intel mac os x\) (?:word|excel|powerpoint|outlook)/\d|\d+ subscribers|cursor/|kimono|criteo|\bscout at|stackrambler|simulator|daumoa|feeddler|fiery.?feeds|realplayer.{1,3}downloader|^dolphin http client|devin/|ips-agent|duplexweb|storebot|^\S+/scan|feed finder|bing ?localsearch|heimdall|image ?resiz|\bgoogle-[a-z]|google(?:other|bot|-read|producer|docs|apps|weblight|plusshare|web preview|sites|assoc|favicon|-site|messages|imagesearch|-safety)";

/// Marks of native apps: networks of Apple and Android, web views of apps,
/// packages, systems with their versions, and devices.
const APPS: &str = r"\bcfnetwork/|^dalvik/|\balamofire/|\bcronet/|\bapplecoremedia|exoplayer|\bstagefright/|\bavfoundation|\blibmpv|\[fban|\bfbav/|\bfb_iab/|\bfbios|^instagram |\bmicromessenger|\bmmwebsdk/|androiddownloadmanager|\bgsa/|\bhw/i(?:phone|pad|pod)|\bhw/|\bcom\.[a-z]\w+\.\w+|\b[a-z]{2,3}\.co(?:m|\.\w\w)\.[a-z]\w+/|\b(?:ios|ipados|ipad ?os|tvos|watchos|macos|iphone ?os|visionos)[ /_:;-]?v?\d|\b(?:i?phone|ipad|ipod)(?:\b|\d|_)|apple ?-?(?:tv|watch)|\bandroid[ /;:,_)-]*(?:\d|app|tv|sdk|os\b)|\bandroid$|[-_ /(;](?:ios|android)\b|^(?:ios|android|iphone|ipad)\b|-macos\b|_macos_|^[a-z]+ios/|\(android|;ios;|;;tpapi|^amazon;|^sony_tv|\becho(?:_|/)|^garmin |\bcrkey/|gfiber|\broku/|\bbravia|\btizen|\bwebos\b|\bkaios|\bwindows ?phone|\bwear ?os|appstore:|device/|^\w+/\S+ \((?:samsung|xiaomi|huawei|oneplus|oppo|vivo|sony|google|motorola|lge|realme)\b|\bdarwin\b|android\(|gfhd\d|windows nt 6\.\d;? ?\(|microsoft office[ /]|^microsoft[ -](?:office (?:visio|project|access|publisher)|word|excel|powerpoint|onenote|outlook|store|teams|edge update|cryptoapi|delivery|bits|wns|visio|project|access|publisher)|^windows[ -]|\(mac ?os|\(mac[; ]|; ?os x|mac os x|\bgtk/|\bqt/\d.*\bmac";

/// Words in names of apps that people hold in their hands, and of players.
/// Asked only of agents that no browser sends and that do not call themselves
/// automatons.
const APP_NAMES: &str = r"pod(?:cast|kast|cat|bean|der|trap|vine|hero|friend|chaser|verse|yssey|addict|kick|u|iumcast)?\b|pod(?:cast|kast|cat|bean|trap|vine|hero|friend|chaser|verse|yssey|addict|kick|u_|cruncher|puppy|knife|nation)|[a-z]cast(?:box|ro|s|er|amatic)?\b|^castro|\bcast\b|pod/|^\w*pod$|radio|\bfm\b|player|music|audio|\btunes?\b|itunes|songs?\b|karaoke|tv\b|video|\bapp\b|[a-z]app/\d|-app\b|app$|wallet|kodi|xbmc|plex|\bvlc|^mpv|^mplayer|winamp|foobar|banshee|rhythmbox|amarok|clementine|quodlibet|miro/|zune|boxee|jriver|j\. river|media ?(?:player|monkey|center|server|gate)|^mpg?\d? ?player|nsplayer|libvlc|gstreamer|xine|quicktime|realmedia|^rma/|soundwaves|^listen|^spotify|^deezer|^tidal|^gaana|saavn|anghami|^napster|^pandora|iheart|stitcher|overcast|downcast|^castle|luminary|audible|storytel|scribd|megaphone|fountain|doughnut|podium|turtlecast|outcast|icatcher|^juice|^jam/|bullhorn|^anytime|moon ?fm|^treble|soundon|ximalaya|xiaoyuzhou|victor ?reader|sonos|^bose|denon|marantz|harman|\bbeats|whatsapp/|globalprotect|^viber|^telegram|^signal|^line/|^kakao|^wechat|^skype|^slack|^discord|^teams|^git/|\bmirall/|windowspowershell|tuner\b|^zoom(?:\.|/| video)|^snapchat|^cronetsnap|^instagram|^twitter|^tiktok|^reddit|^linkedin|^quora|^vkontakte|^vk(?:android|client)|^netflix|^hulu|^disney|^twitch|^youtube|^steam|^epic ?games|^roblox|^minecraft|^unity ?player|^unrealengine|^playstation|^xbox|^nintendo|evernote|onenote|dropbox|onedrive|google ?drive|^icloud|^pocket ?casts|^pocket/\d|^instapaper|^flipboard|^newsly|^kindle|^kobo|^goodreads|^duolingo|^strava|^fitbit|^garmin|^uber|^lyft|^bolt/|^grab/|^airbnb|^booking|^expedia|^amazon(?:music|%2f|\.com/| music)|^ebay|^etsy|^walmart|^target/|^aldi|^lidl|^shopee|^lazada|^alibaba|^aliexpress|^venmo|^revolut|^monzo|^binance|^coinbase|satoshi|bitcoin|antivirus|\beset|\bera agent|kaspersky|^avast|^avg|^mcafee|update[ /]|software ?update|upd \d|^cpuid|^aida64|^cpu-z|^handbrake|^azureus|^vuze|^transmission|^deluge|^emule|download manager|^getright|^freedownload|^idm|^vscode|^visual ?studio|^intellij|^eclipse|^sublime|^atom/|^quicksilver|^alfred|^1password|^bitwarden|^lastpass|^dashlane|^citrix|^vmware|^teamviewer|^anydesk|^tunnelblick|^openvpn|\bvpn\b|^nord|^adobe|^photoshop|^acrobat|^illustrator|^autodesk|^sketchup|^blender|weather|navi(?:gon|gator)?/|tomtom|^waze|^miui|^mint ?browser|^ovi |simple browser|^dr\. ?web|^msdw|^magician|^redlineclient|^windowsstore|^npr|^bbc ?(?:news|sport|iplayer|sounds)|^cnn|^guardian|^nytimes|^nhl|^nba|^nfl|^espn|^mojeek-app|^http ?request ?maker|^capsule[-.]|^airr|^adori|^cpod|^bpod|^ivoox|^podyssey|^radioline|^sp-agent|^servestream|^hypercatcher|^goldenpod|^kajabi|^mimir|^sonnet|^swoot|^tunein|^client/|^feedstation|rssdemon|^rssradio|^mendeley|otg/|^roku|^chromecast|^shield|^fire ?tv|^alexa|^google ?home|^siri|^cortana";

/// Feature phones and browsers that do not call themselves Mozilla.
const PHONES: &str = r"\bmidp-?\d|\bcldc|\bup\.(?:browser|link)|netfront|obigo|teleca|\bmaui\b|[ _-]wap[ _-]?browser|^wap_browser|\bwap\d?\b|^docomo/|^kddi-|^j-phone/|^softbank/|^vodafone/|^nokia|sonyericsson|^blackberry|^(?:samsung|sec|lg|mot|zte|alcatel|huawei|htc|sagem|sie|philips|panasonic|sharp|gionee|lava|fly|cat|palm|sanyo|amoi|haier|hisense|lenovo|tcl|bird|pantech|kyocera|audiovox|toshiba|nec|mitsu|ericsson)[-_/ .]?\w*\d|ucbrowser|ucweb|^dv\(|;dv\(|^i(?:phone|pod ?touch|pad)\w*$|\bdolfin/|\bjasmine/|\bpolaris/|operamini|opera mini|\bblazer\b|\bpalmos|symbian|\bseries\d0/|^\d\.\d\.\d \(linux; u; android|^lynx/|^links \(|^elinks|^w3m/|^dillo/|^netsurf|^amaya|^ibrowse|^aweb|^galeon|^konqueror|^midori|^uzbl|^surf/|^xbox|^playstation|^psp |^nintendo|^webtv|^smart-?tv|\bnook\b|^aplix|segasaturn|dreamcast|^t-mobile|^doris/|^cellphone|^mobile safari|^dell |brew/|\bbrew\b|mediatek|\bmtk\b|release/\d\d?\.\d\d?\.\d{4}|browser/(?:netfront|opera|obigo|applewebkit|maui)|profile/midp";

/// What must not be read as a bot's name: what isbot excluded by look-around,
/// then products and devices that contain one by chance.
const MASKED: &str = r" channel/google|google/google|google(?:wv|tv|fiber| fiber|app|lens|/google| pixel| nexus| tv\b| earth|quicksearchbox|mobile/|play\b|hypersonic|plus/)|com\.google\.(?:maps|ios|android|opa|googleplus)|_ios/com\.google|google_ios|google ?(?:wap proxy|wireless transcoder)|\(gfe\)|gnews|newsarticle/|sohunews|applenews|\bnews/\d|okhttp/|newssapphire| cubots?|/cubot|camscan|omi/[\w.]+|htc; radar|msn ?optimized(?:ie\d)?|gwx:download\w*|chromeframe|google-api-objc-client| instagram [\d.]+ android \([^)]*|\[fb[^\]]*|\bair\.com\.|weixintools|blue proxy|freesafeip\.com|\(http://www\.getmiro\.com/\)|via docs\.google\.com/viewer|avantbrowser\.com|user-?agent ?[:=]|firedownload|hbtools|hotjava|qq-url-manager|windows server|\bupnp/1\.0;|libhttp|\bjava(?:platform)?[/;]|java;|qqdownload|ce-html/1\.0;|s60 discovery|discovery[ _]|msie [6-9].*chromeframe/|\b[a-z]+news/\d[\d.]*(?: ?\(| ip| r|$|/ios)|sogou(?:search(?:/| app)?|mse|mobilebrowser|input)|html client|embedded web browser(?: from: http://(?:www\.)?bsalsa\.com/?)?|proxyless|firephp/|\(?http pgdl;? ?https?|\(https?\)|livedoor co\.,ltd\.|instapaper/|alphaserver|newsday|com\.instagram|mail\.ru[ /]agent|windows-media-player";

/// Engines of browsers. Who calls himself Mozilla and has none is none.
const ENGINES: &str = r"adobe|goanna|treco|lizard|rv:|aweb|applewebkit|webkit|gecko|trident/|msie|presto|khtml|opera|opr/|netfront|konqueror|netscape|mozilla/[1-4]\.|playstation|nintendo|psp|icab|omniweb|ibrowse|blackberry|symbian|series\d0|bada|jasmine|teleca|obigo|up\.browser|polaris|ucweb|ucbrowser|webtv|dreamcast|wii|palm|avantgo|windows ce|iemobile|edge/|firefox/|chrome/|safari/|midp|maemo|docomo|brew|dolfin|lotus|silk|playbook|kindle|archos|smart-?tv|hbbtv|ce-html|android|iphone|ipad|mobile|arora|dillo|links|lynx|w3m|amaya|thunderbird|seamonkey|bluray|netcast|nook|tizen|webos|wosbrowser|maui|nucleus|mre/|sonyericsson|samsung|nokia|philips|sharp|lg";

/// What may stand first after `(compatible; ` in a browser's agent.
const COMPATIBLE: &str = r"\(compatible[;,:+ -]*(?:adobe|tablet|antgalio|ncbrowser|msie|konqueror|opera|netscape|icab|omniweb|ibrowse|aweb|lotus|polaris|voyager|planetweb|powermarks|offbyone|avantgo|palm|blazer|elaine|linux|windows|macintosh|x11|u;|android|mac|googletoolbar|kde|iemobile|netfront|cyberdog|warp|os/2|amiga|risc|sun|irix|beos|hp-ux|aol|webtv|wap|symbian|epiphany|galeon|maxthon|sleipnir|lunascape|safari|iphone|ipad|s60|series60|nokia|intel|powerpc|ppc|lobo|3ds|qtembedded|netpositive|nsplayer|alpha|fluffy|emacs|w3m|links|lynx|dillo|webpro|palmsource|nitro|pocket|smartphone|mobile|trident|gecko|applewebkit|chrome|firefox|ucbrowser|ucweb)";

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern(LazyLock<Option<Regex>>);

impl Pattern {
    const fn new(build: fn() -> Option<Regex>) -> Self {
        Self(LazyLock::new(build))
    }

    /// Whether it compiles, which a test holds it to.
    pub(super) fn is_sound(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(text))
    }

    /// The bytes it matches first.
    pub(super) fn find<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        self.0.as_ref()?.find(text).map(|found| found.as_bytes())
    }

    /// The text with every match as ` - `.
    pub(super) fn blank<'t>(&self, text: &'t [u8]) -> std::borrow::Cow<'t, [u8]> {
        match &*self.0 {
            Some(regex) => regex.replace_all(text, &b" - "[..]),
            None => text.into(),
        }
    }
}

pub(super) static EMAIL_PROXY: Pattern = Pattern::new(|| compile(EMAIL_PROXIES));
pub(super) static LINK_SCANNER: Pattern = Pattern::new(|| compile(LINK_SCANNERS));
pub(super) static EMAIL_CLIENT: Pattern = Pattern::new(|| compile(EMAIL_CLIENTS));
pub(super) static HTTP_LIBRARY: Pattern = Pattern::new(|| compile(HTTP_LIBRARIES));
pub(super) static AUTOMATION: Pattern = Pattern::new(|| compile(AUTOMATIONS));
pub(super) static RARE: Pattern =
    Pattern::new(|| compile(&[EMAIL_PROXIES, LINK_SCANNERS, AUTOMATIONS, EMAIL_CLIENTS].join("|")));
pub(super) static APP: Pattern = Pattern::new(|| compile(APPS));
pub(super) static APP_NAME: Pattern = Pattern::new(|| compile(APP_NAMES));
pub(super) static PHONE: Pattern = Pattern::new(|| compile(PHONES));
pub(super) static MASK: Pattern = Pattern::new(|| compile(MASKED));
pub(super) static ADDRESS: Pattern = Pattern::new(|| compile(r"https?:[^ ;)]*|www\.[^ ;)]*"));
pub(super) static CHORE: Pattern = Pattern::new(|| {
    compile(
        r"parser|check|resiz|lookup|report|audit|sync\b|url ?download|ingest|import|index|analy|monitor|scanner",
    )
});
pub(super) static DESKTOP_APP: Pattern =
    Pattern::new(|| compile(r"^mozilla/.* (?:electron|atomshell|tauri|nwjs)/\d"));
pub(super) static WEB_VIEW: Pattern = Pattern::new(|| {
    compile(
        r"; ?wv\)| wv applewebkit|mmwebsdk|micromessenger|\binstagram \d|\[fb|\bfb_iab|roblox|mqqbrowser/|\bgsa/\d|\bline/\d|snapchat/|tiktok|musical_ly|bytedance|pinterest/|\bweibo|qq/\d|alipay|baiduboxapp|ucbrowser",
    )
});
pub(super) static HAND_HELD: Pattern =
    Pattern::new(|| compile(r"\((?:iphone|ipad|ipod|linux; (?:u; )?android|android)"));
pub(super) static CONTACT: Pattern =
    Pattern::new(|| compile(r"http|www\.|@|compatible|\bgoogle\b|google-|\+[a-z]"));
pub(super) static ENGINE: Pattern = Pattern::new(|| compile(ENGINES));
pub(super) static COMPATIBLE_BROWSER: Pattern = Pattern::new(|| compile(COMPATIBLE));
pub(super) static NAMED: Pattern =
    Pattern::new(|| compile(&format!("{}|{FURTHER_BOTS}", joined(include_str!("named.txt")))));
pub(super) static HINT: Pattern = Pattern::new(|| compile(&joined(include_str!("hints.txt"))));
pub(super) static UNNAMED: Pattern = Pattern::new(|| compile(&joined(include_str!("unnamed.txt"))));

/// All that makes a browser's agent worth a second look: nearly every one
/// matches none, which one pass over it tells.
pub(super) static ANY: Pattern = Pattern::new(|| {
    let lists = [
        joined(include_str!("named.txt")),
        joined(include_str!("hints.txt")),
        joined(include_str!("unnamed.txt")),
    ];
    let own = [EMAIL_PROXIES, LINK_SCANNERS, EMAIL_CLIENTS, AUTOMATIONS, FURTHER_BOTS, r"\(compatible"];
    compile(&own.into_iter().chain(lists.iter().map(String::as_str)).collect::<Vec<_>>().join("|"))
});

pub(super) static ALL: [&Pattern; 22] = [
    &EMAIL_PROXY,
    &LINK_SCANNER,
    &EMAIL_CLIENT,
    &HTTP_LIBRARY,
    &AUTOMATION,
    &RARE,
    &APP,
    &APP_NAME,
    &PHONE,
    &MASK,
    &ADDRESS,
    &CHORE,
    &DESKTOP_APP,
    &WEB_VIEW,
    &HAND_HELD,
    &CONTACT,
    &ENGINE,
    &COMPATIBLE_BROWSER,
    &NAMED,
    &HINT,
    &UNNAMED,
    &ANY,
];

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
