//! Random people and what they do: late, out of order, twice, known only
//! later, with values that are missing, null or of a wrong kind.

use serde_json::{Map as Json, Value as Any, json};
use signalpost_core::time::{Span, Timestamp};

use crate::case::{Happened, Input};
use crate::chance::Chance;
use crate::language::KINDS;

/// Noons around which things happen: of nights in which clocks are put forward
/// or back, of a month's end, of an ordinary day.
const NOONS: [&str; 6] = [
    "2026-03-28T12:00:00Z",
    "2026-03-28T12:00:00Z",
    "2026-10-24T12:00:00Z",
    "2026-10-31T12:00:00Z",
    "2026-02-28T12:00:00Z",
    "2026-06-10T12:00:00Z",
];

/// One world's people.
pub(crate) struct People {
    customers: usize,
    /// How many values in a hundred are of another kind than expected.
    mistyped: usize,
    noon: Timestamp,
    events: usize,
}

fn times(span: Span, count: usize) -> Span {
    span.times(i64::try_from(count).unwrap())
}

impl People {
    pub(crate) fn new(chance: &mut Chance, customers: usize) -> Self {
        let noon = Timestamp::parse(chance.pick::<&str>(&NOONS)).unwrap();
        let mistyped = *chance.pick(&[0, 0, 2, 15]);
        Self { customers, mistyped, noon, events: 0 }
    }

    /// What comes in, over some days.
    pub(crate) fn inputs(&mut self, chance: &mut Chance, count: usize) -> Vec<Input> {
        let mut arrivals: Vec<Timestamp> = (0..count).map(|_| self.arrival(chance)).collect();
        arrivals.sort_unstable();
        let mut inputs: Vec<Input> = Vec::with_capacity(count);
        let erasing = chance.percent(20);
        for at in arrivals {
            let again = inputs.iter().rev().find_map(|input| input.event.clone());
            let input = match chance.below(100) {
                0..3 if erasing => {
                    let erase = Some(format!("c{}", chance.below(self.customers)));
                    Input { at: at.to_string(), erase, event: None }
                }
                3..6 if again.is_some() => Input { at: at.to_string(), erase: None, event: again },
                _ => self.event(chance, at),
            };
            inputs.push(input);
        }
        inputs
    }

    fn arrival(&self, chance: &mut Chance) -> Timestamp {
        let about = times(Span::MINUTE, 30 * chance.below(150));
        let exactly = Span::from_micros(*chance.pick(&[0, 0, 1, -1, 12_345_678]));
        self.noon - times(Span::HOUR, 36) + about + exactly
    }

    fn time(&self, chance: &mut Chance, at: Timestamp) -> Timestamp {
        match chance.below(20) {
            0..10 => at,
            10..13 => at - times(Span::MINUTE, 30 * chance.below(100)),
            13 => at - times(Span::DAY, chance.below(70)),
            14 => at + times(Span::MINUTE, 30 * chance.below(12)),
            // Many things happen at one instant.
            15..17 => {
                let hour = Span::HOUR.as_micros();
                Timestamp::from_micros(at.as_micros().div_euclid(hour) * hour)
            }
            _ => at - Span::from_micros(i64::try_from(chance.below(3)).unwrap()),
        }
    }

    fn event(&mut self, chance: &mut Chance, at: Timestamp) -> Input {
        self.events += 1;
        let person = chance.below(self.customers);
        let (mut customer, mut device) = (Some(format!("c{person}")), None);
        match chance.below(10) {
            0..2 => (customer, device) = (None, Some(format!("d{}", chance.below(self.customers)))),
            2 | 3 => device = Some(format!("d{person}")),
            _ => {}
        }
        let mut time = self.time(chance, at);
        if customer.is_none() {
            // Events of one instant stand in the order of their arrival, which
            // two profiles that become one do not share.
            time = time + Span::from_micros(5);
        }
        let kind = *chance.pick(&KINDS);
        let event = Happened {
            id: format!("e{}", self.events),
            kind: kind.to_owned(),
            customer,
            device,
            time: time.to_string(),
            product: chance.percent(70).then(|| format!("p{}", chance.below(3))),
            properties: self.properties(chance),
            traits: if chance.percent(35) { self.traits(chance, person) } else { Json::new() },
        };
        Input { at: at.to_string(), erase: None, event: Some(event) }
    }

    /// `value`, or now and then nothing, null or something else.
    fn put(&self, chance: &mut Chance, into: &mut Json<String, Any>, name: &str, value: Any) {
        let value = match chance.below(100) {
            0..30 => return,
            30..34 => Any::Null,
            _ if chance.percent(self.mistyped) => chance
                .pick(&[
                    json!("Toys"),
                    json!("5"),
                    json!(5),
                    json!(true),
                    json!([1, "A"]),
                    json!({"city": 3}),
                    json!(2.5),
                ])
                .clone(),
            _ => value,
        };
        into.insert(name.to_owned(), value);
    }

    fn properties(&self, chance: &mut Chance) -> Json<String, Any> {
        let mut all = Json::new();
        let price = chance
            .pick(&[json!(0), json!(10), json!(19.5), json!(20), json!(0.1), json!(2.25), json!(100)])
            .clone();
        self.put(chance, &mut all, "price", price);
        let qty = json!(chance.below(5));
        self.put(chance, &mut all, "qty", qty);
        let category = json!(chance.pick(&["Toys", "Books", "toys ", ""]));
        self.put(chance, &mut all, "category", category);
        let vip = json!(chance.percent(50));
        self.put(chance, &mut all, "vip", vip);
        let due = (self.noon + times(Span::HOUR, chance.below(48))).to_string();
        self.put(chance, &mut all, "due", json!(due));
        let skus = ["A", "B", "C"];
        let item = |chance: &mut Chance| json!({"sku": chance.pick(&skus), "price": chance.below(25)});
        let items: Vec<Any> = (0..chance.below(3)).map(|_| item(chance)).collect();
        self.put(chance, &mut all, "items", json!(items));
        let city = chance.pick(&["Rome", "Bonn"]);
        self.put(chance, &mut all, "address", json!({"city": city}));
        let note = chance.pick(&["to_go", "Élan", "a@b.example", "5 o'clock", "x"]);
        self.put(chance, &mut all, "note", json!(note));
        let total = json!(5 * chance.below(9));
        self.put(chance, &mut all, "total", total);
        all
    }

    fn traits(&self, chance: &mut Chance, person: usize) -> Json<String, Any> {
        let mut all = Json::new();
        let age = json!(chance.below(25));
        self.put(chance, &mut all, "age", age);
        let plan = json!(chance.pick(&["gold", "basic", "Gold"]));
        self.put(chance, &mut all, "plan", plan);
        let score = chance.pick(&[json!(2.5), json!(10), json!(0.5), json!(-1)]).clone();
        self.put(chance, &mut all, "score", score);
        let member = json!(chance.percent(50));
        self.put(chance, &mut all, "member", member);
        let born = json!(chance.pick(&["1992-02-29", "1974-04-16", "2001-11-02", "1980-03-30"]));
        self.put(chance, &mut all, "born", born);
        let joined = (self.noon - times(Span::HOUR, chance.below(100))).to_string();
        self.put(chance, &mut all, "joined", json!(joined));
        let tags = chance.pick(&[json!(["vip", "b2b"]), json!([]), json!(["A", 5])]).clone();
        self.put(chance, &mut all, "tags", tags);
        let home = json!({"city": chance.pick(&["Rome", "Toys"]), "floor": chance.below(6)});
        self.put(chance, &mut all, "home", home);
        self.put(chance, &mut all, "email", json!(format!("c{person}@shop.example")));
        all
    }
}
