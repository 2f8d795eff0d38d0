//! How a request goes from one status to the next.

use std::sync::Arc;

use proptest::prelude::*;
use signalpost_core::hook::PrivacyKind;
use signalpost_core::value::Map;

use super::*;
use crate::state::memory::MemoryStore;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn documents() -> Documents<MemoryStore> {
    Documents::new(Arc::new(MemoryStore::default()))
}

fn request(id: &str) -> PrivacyRequest {
    PrivacyRequest {
        kind: PrivacyKind::Erase,
        id: Some(id.into()),
        customer_id: Some("C1".into()),
        anonymous_id: None,
        email: None,
        phone: None,
        details: Map::default(),
    }
}

fn go(documents: &Documents<MemoryStore>, status: Status, note: &str) -> Result<Json, StepError> {
    step(documents, "shop:erase:1", Step { status, note, by: "sp_key", customer_id: None }, NOW)
        .map(Option::unwrap)
}

#[test]
fn a_request_is_worked_on_and_done_and_may_be_taken_up_again() {
    let documents = documents();
    record(&documents, "shop", &[request("1")], NOW).unwrap();
    assert!(matches!(go(&documents, Status::Received, "again"), Err(StepError::Order(..))));
    assert!(matches!(go(&documents, Status::Done, " "), Err(StepError::Note)));
    go(&documents, Status::InProgress, "").unwrap();
    let done = go(&documents, Status::Done, "erased in all systems").unwrap();
    assert_eq!(done["status"], "done");
    assert_eq!(done["history"][1]["note"], "erased in all systems");
    assert_eq!(done["history"][1]["by"], "sp_key");
    assert!(matches!(go(&documents, Status::Refused, "no"), Err(StepError::Order(..))));
    // A message that comes again opens nothing.
    record(&documents, "shop", &[request("1")], NOW).unwrap();
    assert_eq!(get(&documents, "shop:erase:1", NOW).unwrap().unwrap()["status"], "done");
    assert!(matches!(go(&documents, Status::InProgress, ""), Err(StepError::Note)));
    go(&documents, Status::InProgress, "a system was forgotten").unwrap();
    assert!(
        step(&documents, "nobody", Step { status: Status::Done, note: "x", by: "k", customer_id: None }, NOW)
            .unwrap()
            .is_none()
    );
}

#[test]
fn what_is_open_beyond_its_time_says_so() {
    let documents = documents();
    record(&documents, "shop", &[request("1")], NOW).unwrap();
    let overdue = |at| list(&documents, at).unwrap()[0]["overdue"].as_bool().unwrap();
    assert!(!overdue(NOW + Span::DAY.times(29)));
    assert!(overdue(NOW + Span::DAY.times(31)));
    go(&documents, Status::Refused, "not the person").unwrap();
    assert!(!overdue(NOW + Span::DAY.times(31)));
}

proptest! {
    /// Whatever is tried, the status is what the last taken step said, and each taken step is kept.
    #[test]
    fn the_history_tells_all_of_it(tries in prop::collection::vec((0_usize..5, any::<bool>()), 0..20)) {
        let documents = documents();
        record(&documents, "shop", &[request("1")], NOW).unwrap();
        let mut taken = Vec::new();
        for (status, noted) in tries {
            let status = Status::ALL[status].1;
            if go(&documents, status, if noted { "note" } else { "" }).is_ok() {
                prop_assert!(noted || matches!(status, Status::InProgress | Status::Approved));
                taken.push(status.as_str());
            }
        }
        let request = get(&documents, "shop:erase:1", NOW).unwrap().unwrap();
        let kept: Vec<&str> =
            request["history"].as_array().unwrap().iter().map(|step| step["status"].as_str().unwrap()).collect();
        prop_assert_eq!(request["status"].as_str().unwrap(), taken.last().copied().unwrap_or("received"));
        prop_assert_eq!(kept, taken);
    }
}
