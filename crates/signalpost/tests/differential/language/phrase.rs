//! Segments in words: rules, what was done, in which order and how often.

use super::{UNITS, Writer};

impl Writer<'_> {
    /// The condition of a rule: phrases, conditions on an event and on traits.
    pub(super) fn rule(&mut self) -> String {
        let parts: Vec<String> = (0..=self.chance.below(3))
            .map(|_| match self.chance.below(8) {
                0 => self.of_event("event", 1),
                1 => self.of_traits("user"),
                2 => format!("({})", self.of_person(1)),
                _ => self.phrase(),
            })
            .collect();
        parts.join(self.one(&[" AND ", " AND ", " OR "]))
    }

    /// What marketers say of events.
    fn phrase(&mut self) -> String {
        let kind = self.kind();
        match self.chance.below(10) {
            0..6 => {
                let not = self.one(&["", "", "not "]);
                let (deed, follows, times, window) =
                    (self.deed(), self.follows(), self.times(), self.window());
                format!("{not}done {deed}{follows}{times}{window}")
            }
            6..8 => {
                let value = self.one(&[
                    "sum(price)",
                    "count(*)",
                    "count(distinct category)",
                    "last(qty)",
                    "first(price)",
                    "max(price)",
                    "min(qty)",
                    "avg(price)",
                ]);
                let (deed, window, op, number) =
                    (self.deed(), self.window(), self.comparison(), self.number());
                format!("{value} of {deed}{window} {op} {number}")
            }
            8 => {
                let today = self.one(&["", " including today"]);
                format!(
                    "done {kind} every day for {} days{today} in zone '{}'",
                    1 + self.chance.below(3),
                    self.zone()
                )
            }
            _ => format!(
                "not done {kind} in the last {} days {} new profiles",
                1 + self.chance.below(5),
                self.one(&["including", "excluding"])
            ),
        }
    }

    fn deed(&mut self) -> String {
        let kinds = match self.chance.below(4) {
            0 => "any event".to_owned(),
            1 => format!("any of ({}, {})", self.kind(), self.kind()),
            _ => self.kind().to_owned(),
        };
        match self.chance.below(3) {
            0 => format!("{kinds} where ({})", self.of_event("event", 1)),
            1 => format!("{kinds} where price {} {}", self.comparison(), self.number()),
            _ => kinds,
        }
    }

    fn follows(&mut self) -> String {
        let (kind, other) = (self.kind(), self.kind());
        let hours = 1 + self.chance.below(30);
        let matching = self.one(&["", " matching product_id", " matching category"]);
        match self.chance.below(8) {
            0 => format!(" then {kind} within {hours} hours{matching}"),
            1 => format!(" then {kind} then {other} within {hours} hours{matching}"),
            2 => format!(" without {kind}{matching}"),
            3 => format!(" without {kind} within {hours} hours{matching}"),
            4 => format!(" then {kind} without {other} within {hours} hours"),
            _ => String::new(),
        }
    }

    fn times(&mut self) -> String {
        if self.chance.percent(60) {
            return String::new();
        }
        let form = self.one(&["at least", "at most", "exactly", "more than", "fewer than"]);
        format!(" {form} {} times", self.chance.below(4))
    }

    fn window(&mut self) -> String {
        let zone =
            if self.chance.percent(60) { format!(" in zone '{}'", self.zone()) } else { String::new() };
        let unit = self.one(&UNITS);
        match self.chance.below(12) {
            0 | 1 => format!(" in the last {} hours", 1 + self.chance.below(50)),
            2 => format!(
                " in the last {} {}",
                1 + self.chance.below(3),
                self.one(&["days", "weeks", "months"])
            ),
            3 => format!(" more than {} hours ago", 1 + self.chance.below(50)),
            4 => format!(
                " since '{}'",
                self.one(&["2026-03-28 22:30:00", "2026-10-25", "2026-06-10T12:00:00Z"])
            ),
            5 => format!(" before '{}'", self.one(&["2026-03-29", "2026-10-25 01:30:00", "2026-06-11"])),
            6 => " between '2026-03-28' and '2026-10-25 12:00:00'".to_owned(),
            7 => format!(" {}{zone}", self.one(&["today", "yesterday"])),
            8 => format!(" {} {unit}{zone}", self.one(&["this", "last"])),
            9 => format!(" in the last {} whole days{zone}", 1 + self.chance.below(3)),
            _ => String::new(),
        }
    }
}
