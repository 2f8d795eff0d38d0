//! Random segments: texts that use every construct of the language, over the
//! names that [`crate::people`] makes values for.

mod phrase;

use crate::chance::Chance;

/// Properties of events, by what they mostly hold.
pub(crate) const PROPERTIES: [&str; 9] =
    ["price", "qty", "category", "vip", "due", "items", "address", "note", "total"];
/// Traits of people, by what they mostly hold.
pub(crate) const TRAITS: [&str; 9] =
    ["age", "plan", "score", "member", "born", "joined", "tags", "home", "email"];
/// Types of events.
pub(crate) const KINDS: [&str; 6] =
    ["product_view", "add_to_cart", "purchase", "app_open", "signup", "left_cart"];
/// Zones whose clocks turn at different instants.
const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Beirut", "Asia/Tokyo", "UTC"];
const COMPARISONS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];
const UNITS: [&str; 7] = ["minute", "hour", "day", "week", "month", "quarter", "year"];

/// Sequence rules a case may have.
pub(crate) const SEQUENCES: [&str; 4] = [
    "AFTER add_to_cart WITHOUT purchase WITHIN 1 hour EMIT left_cart",
    "AFTER add_to_cart WITHOUT purchase WITHIN 90 minutes MATCHING product_id EMIT left_cart",
    "AFTER product_view WITHOUT add_to_cart WITHIN 1 day MATCHING category EMIT lost_interest",
    "AFTER left_cart WITHOUT purchase WITHIN 2 hours EMIT left_for_good",
];

/// Writes segments by chance.
pub(crate) struct Writer<'c> {
    pub(crate) chance: &'c mut Chance,
    /// Segments defined before, which may be asked for.
    pub(crate) before: Vec<String>,
    aliases: usize,
}

impl<'c> Writer<'c> {
    pub(crate) fn new(chance: &'c mut Chance) -> Self {
        Self { chance, before: Vec::new(), aliases: 0 }
    }

    /// The text of a segment.
    pub(crate) fn segment(&mut self, name: &str) -> String {
        let text = match self.chance.below(10) {
            0..4 => format!("SELECT customer_id FROM customer_data WHERE {}", self.of_person(2)),
            4..7 => format!("IF {} THEN assign to '{name}'", self.rule()),
            7 => {
                let parts: Vec<String> =
                    (0..=self.chance.below(2)).map(|_| self.of_event("event", 1)).collect();
                format!("IF {} THEN assign to '{name}'", parts.join(" AND "))
            }
            8 => {
                let filter = self.of_event("e", 1);
                format!(
                    "SELECT customer_id FROM events e WHERE {filter} GROUP BY customer_id HAVING {}",
                    self.having()
                )
            }
            _ => format!("SELECT customer_id FROM events e WHERE {}", self.of_event("e", 2)),
        };
        self.before.push(name.to_owned());
        text
    }

    fn one(&mut self, from: &[&'static str]) -> &'static str {
        from[self.chance.below(from.len())]
    }

    fn comparison(&mut self) -> &'static str {
        self.one(&COMPARISONS)
    }

    fn number(&mut self) -> String {
        self.one(&["0", "1", "2", "3", "5", "10", "19.5", "20", "-1", "0.1", "100"]).to_owned()
    }

    fn kind(&mut self) -> &'static str {
        self.one(&KINDS)
    }

    fn zone(&mut self) -> &'static str {
        self.one(&ZONES)
    }

    /// A length that meets other lengths, often by a microsecond more or less.
    fn length(&mut self) -> String {
        match self.chance.below(8) {
            0 => format!("{} microseconds", 3_600_000_000_u64 * self.chance.below(5) as u64 + 1),
            1 => format!("{} days", 1 + self.chance.below(40)),
            2 => format!("INTERVAL '{} hours 30 minutes'", self.chance.below(6)),
            3 => format!("{} minutes", 30 * (1 + self.chance.below(5))),
            4 => "24 hours".to_owned(),
            _ => format!("{} hours", self.chance.below(72)),
        }
    }

    fn instant(&mut self) -> String {
        let now = match self.chance.below(4) {
            0 => format!("(now() - {})", self.length()),
            1 => format!("(now() - {} months)", 1 + self.chance.below(3)),
            _ => "now()".to_owned(),
        };
        let (zone, unit) = (self.zone(), self.one(&UNITS));
        match self.chance.below(8) {
            0 => format!("date_trunc('{unit}', {now})"),
            1 => format!("date_trunc('{unit}', {now}, '{zone}')"),
            2 => format!(
                "(({now} AT TIME ZONE '{zone}') + {} hours) AT TIME ZONE '{zone}'",
                self.chance.below(5)
            ),
            3 => format!(
                "(date_trunc('day', {now} AT TIME ZONE '{zone}') - {} days) AT TIME ZONE '{zone}'",
                self.chance.below(3)
            ),
            4 => "current_date".to_owned(),
            5 => format!("{now} - {} months", self.chance.below(3)),
            _ => format!("{now} - {}", self.length()),
        }
    }

    /// A condition on the profile.
    fn of_person(&mut self, depth: usize) -> String {
        if depth > 0 && self.chance.percent(45) {
            let inner = depth - 1;
            let (a, b) = (self.of_person(inner), self.of_person(inner));
            return match self.chance.below(6) {
                0 | 1 => format!("({a} AND {b})"),
                2 => format!("({a} OR {b})"),
                3 => format!("NOT ({a})"),
                4 => format!("CASE WHEN {a} THEN {b} ELSE FALSE END"),
                _ => format!("(({a}) IS {} AND {b})", self.one(&["TRUE", "NOT TRUE", "FALSE", "NOT FALSE"])),
            };
        }
        match self.chance.below(16) {
            0..5 => self.of_traits("user"),
            5 => self.of_computed(),
            6..8 => self.exists(),
            8..11 => self.aggregate(),
            11 => self.grouped(),
            12 => self.latest(),
            13 if !self.before.is_empty() => {
                let place = self.chance.below(self.before.len());
                format!("in_segment('{}')", self.before[place])
            }
            14 => format!("user.joined {} {}", self.comparison(), self.instant()),
            _ => self.anniversary(),
        }
    }

    fn anniversary(&mut self) -> String {
        let (op, days) = (self.comparison(), self.chance.below(60));
        match self.chance.below(3) {
            0 => format!("days_until_anniversary(user.born) {op} {days}"),
            1 => {
                format!("days_until_anniversary(user.born, now() AT TIME ZONE '{}') {op} {days}", self.zone())
            }
            _ => format!("days_between(user.joined, now() AT TIME ZONE '{}') {op} {days}", self.zone()),
        }
    }

    /// A condition on a trait; `table` is what stands before its name.
    fn of_traits(&mut self, table: &str) -> String {
        let t = |name: &str| format!("{table}.{name}");
        match self.chance.below(8) {
            0..3 => {
                let of = if self.chance.percent(50) { t("age") } else { t("score") };
                self.of_number(&of)
            }
            3..5 => {
                let of = if self.chance.percent(60) { t("plan") } else { t("email") };
                self.of_text(&of)
            }
            5 => self.of_truth(&t("member")),
            6 => self.of_list(&t("tags"), ""),
            _ => {
                let city = t("home.city");
                match self.chance.below(3) {
                    0 => self.of_text(&city),
                    1 => self.of_number(&t("home.floor")),
                    _ => format!("{} IS {}NULL", city, self.one(&["", "NOT "])),
                }
            }
        }
    }

    fn of_computed(&mut self) -> String {
        let (op, number) = (self.comparison(), self.chance.below(6));
        let kind = self.kind();
        match self.chance.below(10) {
            0 => format!("recency_score {op} {number}"),
            1 => format!("customer_data.events {op} {number}"),
            2 => format!("{kind}_count {op} {number}"),
            3 => format!("{kind}_count_{}d {op} {number}", self.one(&["1", "3", "30"])),
            4 => format!("last_{kind}_at {op} {}", self.instant()),
            5 => format!("first_seen {op} {}", self.instant()),
            6 => format!("now() - last_seen {op} {}", self.length()),
            7 => format!("total_spent {op} {}", self.number()),
            8 => format!("orders {op} {number} OR cart_items {op} {}", self.chance.below(3)),
            _ => format!("{} = '{}'", "recent_view_category", self.one(&["Toys", "Books"])),
        }
    }

    /// A number that is made of `of`, compared.
    fn of_number(&mut self, of: &str) -> String {
        let (op, number) = (self.comparison(), self.number());
        match self.chance.below(14) {
            0 => format!("{of} BETWEEN {} AND {number}", self.number()),
            1 => format!("{of} {}IN ({number}, {}, 3)", self.one(&["", "NOT "]), self.number()),
            2 => format!("{of} * 2 - 1 {op} {number}"),
            3 => format!("{of} / {} {op} {number}", self.one(&["2", "3", "0"])),
            4 => format!("{}({of}) {op} {number}", self.one(&["abs", "round", "floor", "ceil"])),
            5 => format!("mod({of}, 3) {op} {number}"),
            6 => format!("coalesce({of}, 2) {op} {number}"),
            7 => format!("nullif({of}, 2) IS {}NULL", self.one(&["", "NOT "])),
            8 => format!("CAST({of} AS BIGINT) {op} {}", self.chance.below(20)),
            9 => format!("{}({of}, 2) {op} {number}", self.one(&["greatest", "least"])),
            10 => format!("{of} IS {}NULL", self.one(&["", "NOT "])),
            11 => format!(
                "CASE WHEN {of} > 2 THEN 'dear' ELSE 'cheap' END = '{}'",
                self.one(&["dear", "cheap"])
            ),
            _ => format!("{of} {op} {number}"),
        }
    }

    fn of_text(&mut self, of: &str) -> String {
        let text = self.one(&["Toys", "Books", "gold", "", "ann@shop.example", "Rome", "to", "5", "É"]);
        let not = self.one(&["", "NOT "]);
        let pattern = self.one(&["T%", "%o%", "_o%", "%@%.example", "%\\_%", "", "%", "gold"]);
        match self.chance.below(16) {
            0 => format!("{of} {not}IN ('{text}', 'Toys', 'basic')"),
            1 => format!("{of} {not}LIKE '{pattern}'"),
            2 => format!("{of} {not}ILIKE '{}'", pattern.to_uppercase()),
            3 => format!(
                "{of} {} '{}'",
                self.one(&["~", "~*", "!~", "!~*"]),
                self.one(&["^t", "o+", "[A-C].*s$", "@"])
            ),
            4 => format!("{}({of}) = '{}'", self.one(&["lower", "upper", "trim", "ltrim", "rtrim"]), text),
            5 => format!("length({of}) {} {}", self.comparison(), self.chance.below(7)),
            6 => format!(
                "{}({of}, {}) = '{text}'",
                self.one(&["left", "right"]),
                self.one(&["1", "2", "-1", "0"])
            ),
            7 => format!("substring({of}, {}, 2) = '{text}'", self.one(&["1", "2", "0", "-1"])),
            8 => format!("split_part({of}, '@', {}) = '{text}'", self.one(&["1", "2", "-1"])),
            9 => format!("replace({of}, 'o', 'oo') = '{text}'"),
            10 => format!("concat({of}, '!') <> '{text}!'"),
            11 => format!("{of} || 'x' = '{text}x'"),
            12 => format!("{}({of}, '{text}')", self.one(&["starts_with", "ends_with", "contains"])),
            13 => format!("strpos({of}, 'o') {} {}", self.comparison(), self.chance.below(3)),
            _ => format!("{of} {} '{text}'", self.comparison()),
        }
    }

    fn of_truth(&mut self, of: &str) -> String {
        match self.chance.below(4) {
            0 => format!("{of} = {}", self.one(&["TRUE", "FALSE"])),
            1 => format!("{of} IS {}{}", self.one(&["", "NOT "]), self.one(&["TRUE", "FALSE", "NULL"])),
            2 => format!("NOT {of}"),
            _ => format!("coalesce({of}, FALSE) = {}", self.one(&["TRUE", "FALSE"])),
        }
    }

    /// Of a list; `each` leads from each of its values to what is looked at.
    fn of_list(&mut self, of: &str, each: &str) -> String {
        let path = if each.is_empty() { of.to_owned() } else { format!("{of}[*].{each}") };
        let wanted = self.one(&["'vip'", "'A'", "'B'", "5"]);
        match self.chance.below(4) {
            0 => format!("{wanted} = ANY({path})"),
            1 => format!("list_contains({path}, {wanted})"),
            2 => format!("list_length({of}) {} {}", self.comparison(), self.chance.below(3)),
            _ => {
                let first = if each.is_empty() { format!("{of}[0]") } else { format!("{of}[0].{each}") };
                format!("{first} = {wanted}")
            }
        }
    }

    /// A condition on the event called `alias`.
    fn of_event(&mut self, alias: &str, depth: usize) -> String {
        if depth > 0 && self.chance.percent(55) {
            let inner = depth - 1;
            let (a, b) = (self.of_event(alias, inner), self.of_event(alias, inner));
            return match self.chance.below(8) {
                0..4 => format!("({a} AND {b})"),
                4 => format!("({a} OR {b})"),
                5 => format!("NOT ({a})"),
                6 => format!("({a}) IS {}", self.one(&["TRUE", "NOT TRUE", "FALSE", "NOT FALSE"])),
                _ => format!("({a} AND {})", self.related(alias)),
            };
        }
        let c = |name: &str| format!("{alias}.{name}");
        match self.chance.below(20) {
            0..3 => format!("{} = '{}'", c("event_type"), self.kind()),
            3 => format!(
                "{} {}IN ('{}', '{}')",
                c("event_type"),
                self.one(&["", "NOT "]),
                self.kind(),
                self.kind()
            ),
            4..6 => {
                let of = self.one(&["price", "qty", "total"]);
                self.of_number(&c(of))
            }
            6 => format!("{} * {} {} {}", c("price"), c("qty"), self.comparison(), self.number()),
            7..9 => {
                let of = self.one(&["category", "note", "product_id"]);
                self.of_text(&c(of))
            }
            9 => self.of_truth(&c("vip")),
            10 => self.of_list(&c("items"), "sku"),
            11 => self.of_number(&c("items[0].price")),
            12 => self.of_text(&c("address.city")),
            13 => format!("{} {} {}", c("due"), self.comparison(), self.instant()),
            _ => self.of_time(&c("timestamp")),
        }
    }

    fn of_time(&mut self, of: &str) -> String {
        let op = self.comparison();
        match self.chance.below(10) {
            0 => format!("{of} BETWEEN {} AND {}", self.instant(), self.instant()),
            1 => format!("{of} + {} {op} now()", self.length()),
            2 => format!("now() - {of} {op} {}", self.length()),
            3 => format!("CAST({of} AS DATE) = current_date"),
            4 => {
                let part = self.one(&["hour", "dow", "day", "month", "doy", "week", "quarter", "minute"]);
                format!(
                    "extract({part} FROM {of} AT TIME ZONE '{}') {op} {}",
                    self.zone(),
                    self.chance.below(24)
                )
            }
            5 => format!(
                "days_between({of} AT TIME ZONE '{}', now() AT TIME ZONE '{}') = {}",
                self.zone(),
                self.zone(),
                self.chance.below(3)
            ),
            6 => format!("{of} {op} user.joined"),
            7 => format!("greatest({of}, user.joined) {op} now() - {}", self.length()),
            _ => format!("{of} {op} {}", self.instant()),
        }
    }

    /// A condition on other events, beside the one called `outer`.
    fn related(&mut self, outer: &str) -> String {
        self.aliases += 1;
        let p = format!("p{}", self.aliases);
        let tie = match self.chance.below(4) {
            0 => format!("{p}.timestamp >= {outer}.timestamp"),
            1 => format!(
                "{p}.timestamp > {outer}.timestamp AND {p}.timestamp <= {outer}.timestamp + {}",
                self.length()
            ),
            2 => format!("{p}.product_id = {outer}.product_id"),
            _ => format!("{p}.price {} {outer}.price", self.comparison()),
        };
        let kind = self.kind();
        let more =
            if self.chance.percent(40) { format!(" AND {}", self.of_event(&p, 0)) } else { String::new() };
        let not = self.one(&["", "NOT "]);
        format!("{not}EXISTS (SELECT 1 FROM events {p} WHERE {p}.event_type = '{kind}' AND {tie}{more})")
    }

    fn exists(&mut self) -> String {
        let not = self.one(&["", "NOT "]);
        format!("{not}EXISTS (SELECT 1 FROM events e WHERE {})", self.of_event("e", 2))
    }

    fn aggregate(&mut self) -> String {
        let filter = self.of_event("e", 1);
        let (op, number) = (self.comparison(), self.number());
        let of_number = self.one(&["price", "qty", "total"]);
        match self.chance.below(10) {
            0..2 => format!("(SELECT count(*) FROM events e WHERE {filter}) {op} {}", self.chance.below(4)),
            2 => format!(
                "(SELECT count({of_number}) FROM events e WHERE {filter}) {op} {}",
                self.chance.below(4)
            ),
            3 => {
                let of = self.one(&["category", "qty", "product_id", "event_type"]);
                format!(
                    "(SELECT count(DISTINCT {of}) FROM events e WHERE {filter}) {op} {}",
                    self.chance.below(3)
                )
            }
            4..6 => {
                let function = self.one(&["sum", "avg", "min", "max"]);
                format!("(SELECT {function}({of_number}) FROM events e WHERE {filter}) {op} {number}")
            }
            6 => {
                let function = self.one(&["first", "last"]);
                let of = format!("(SELECT {function}({of_number}) FROM events e WHERE {filter})");
                self.of_number(&of)
            }
            7 => {
                let function = self.one(&["first", "last", "min", "max"]);
                let of = format!("(SELECT {function}(category) FROM events e WHERE {filter})");
                format!("{of} {op} '{}'", self.one(&["Toys", "Books"]))
            }
            8 => {
                let function = self.one(&["first", "last", "min", "max"]);
                format!("(SELECT {function}(timestamp) FROM events e WHERE {filter}) {op} {}", self.instant())
            }
            _ => format!(
                "(SELECT sum(CASE WHEN vip THEN price ELSE qty END) FROM events e WHERE {filter}) {op} {number}"
            ),
        }
    }

    fn having(&mut self) -> String {
        let (op, number) = (self.comparison(), self.number());
        match self.chance.below(4) {
            0 => format!("sum(price) {op} {number} AND count(*) >= {}", 1 + self.chance.below(3)),
            1 => format!("max(timestamp) {op} now() - {}", self.length()),
            2 => format!("count(DISTINCT category) {op} {}", self.chance.below(3)),
            _ => format!("count(*) {op} {}", self.chance.below(4)),
        }
    }

    fn grouped(&mut self) -> String {
        let filter = self.of_event("e", 1);
        let not = self.one(&["", "NOT "]);
        format!(
            "customer_id {not}IN (SELECT customer_id FROM events e WHERE {filter} GROUP BY customer_id HAVING {})",
            self.having()
        )
    }

    fn latest(&mut self) -> String {
        let direction = self.one(&["", " DESC"]);
        let filter = self.of_event("e", 1);
        let of =
            format!("(SELECT category FROM events e WHERE {filter} ORDER BY timestamp{direction} LIMIT 1)");
        format!("{of} {} '{}'", self.comparison(), self.one(&["Toys", "Books"]))
    }
}
