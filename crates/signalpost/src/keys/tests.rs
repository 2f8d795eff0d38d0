//! What keys open, when, and from where.

use std::sync::Arc;

use super::*;
use crate::state::memory::MemoryStore;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn documents() -> Arc<Documents<MemoryStore>> {
    Arc::new(Documents::new(Arc::new(MemoryStore::default())))
}

fn opens(keys: &Keys<MemoryStore>, secret: &str, now: Timestamp) -> Result<String, Refused> {
    keys.check(secret, &digest(secret), now).map(|caller| caller.id.clone())
}

fn writer(label: &str) -> NewKey {
    NewKey::of_scope(label, "events:write")
}

#[test]
fn a_replaced_secret_works_until_its_time_and_after_a_restart_alike() {
    let documents = documents();
    let keys = Keys::load(Arc::clone(&documents), Kind::Key).unwrap();
    for given in [None, Some("a secret of one's own")] {
        let (key, old) = match given {
            None => keys.create(writer("shop"), NOW).unwrap(),
            Some(secret) => {
                (keys.insert(vec![(secret.into(), writer("own"))], NOW).unwrap().remove(0), secret.to_owned())
            }
        };
        let (_, new) = keys.rotate(&key.id, Span::HOUR, NOW).unwrap().unwrap();
        assert_ne!(old, new);
        for keys in [&keys, &Keys::load(Arc::clone(&documents), Kind::Key).unwrap()] {
            let before_end = NOW + Span::HOUR - Span::SECOND;
            assert_eq!(opens(keys, &old, before_end), Ok(key.id.clone()));
            assert_eq!(opens(keys, &new, before_end), Ok(key.id.clone()));
            assert_eq!(opens(keys, &old, NOW + Span::HOUR), Err(Refused::Unknown));
            assert_eq!(opens(keys, &new, NOW + Span::HOUR), Ok(key.id.clone()));
        }
        // The next rotation ends the one before; without overlap at once.
        let (_, newest) = keys.rotate(&key.id, Span::ZERO, NOW).unwrap().unwrap();
        assert_eq!(opens(&keys, &old, NOW), Err(Refused::Unknown));
        assert_eq!(opens(&keys, &new, NOW), Err(Refused::Unknown));
        assert_eq!(opens(&keys, &newest, NOW), Ok(key.id.clone()));
    }
    assert!(keys.rotate("sp_nobody", Span::HOUR, NOW).unwrap().is_none());
}

#[test]
fn a_key_ends_when_it_was_said_to() {
    let keys = Keys::load(documents(), Kind::Key).unwrap();
    let ending = NewKey { expires_at: Some(NOW + Span::DAY), ..writer("trial") };
    let (key, secret) = keys.create(ending.clone(), NOW).unwrap();
    assert!(opens(&keys, &secret, NOW + Span::DAY - Span::SECOND).is_ok());
    let ended = Refused::Expired { id: key.id.clone(), at: NOW + Span::DAY };
    assert_eq!(opens(&keys, &secret, NOW + Span::DAY), Err(ended));
    assert!(matches!(keys.create(ending, NOW + Span::DAY), Err(KeyError::Expired)));
}

#[test]
fn what_a_key_cannot_be_is_refused() {
    let keys = Keys::load(documents(), Kind::Key).unwrap();
    let field = |new: NewKey| keys.create(new, NOW).unwrap_err().field().unwrap();
    for scope in ["everything", "admin:*", "events:read", "*", ""] {
        assert_eq!(field(NewKey::of_scope("", scope)), "scopes");
    }
    let rate = |per_second, burst| Some(rate::Settings { per_second, burst });
    assert_eq!(field(NewKey { rate: rate(0.0, 1), ..writer("") }), "rate");
    assert_eq!(field(NewKey { rate: rate(1.0, 0), ..writer("") }), "rate");
    for origin in
        ["shop.example", "https://", "https://shop.example/cart", "null", "*", "ftp://a", "https://a b"]
    {
        assert_eq!(field(NewKey { allowed_origins: vec![origin.into()], ..writer("") }), "allowed_origins");
    }
    assert!(keys.is_empty());
}

#[test]
fn origins_are_the_same_however_they_are_spelt() {
    let origin = Origin::parse("HTTPS://Shop.Example:443").unwrap();
    assert_eq!(origin.as_str(), "https://shop.example");
    for (named, same) in [
        ("https://shop.example", true),
        ("https://SHOP.example:443", true),
        ("http://shop.example", false),
        ("https://shop.example:8443", false),
        ("https://shop.example.evil.test", false),
        ("https://evil.test/https://shop.example", false),
        ("null", false),
    ] {
        assert_eq!(origin.is(named.as_bytes()), same, "{named}");
    }
}

#[test]
fn a_question_is_answered_for_all_keys_that_stand_in_pages() {
    let keys = Keys::load(documents(), Kind::Key).unwrap();
    let page = |origin: &str| NewKey { allowed_origins: vec![origin.into()], ..writer("page") };
    let asks = |origin: &str| keys.admit_origin(origin.as_bytes());
    keys.create(NewKey::of_scope("boss", "admin"), NOW).unwrap();
    assert_eq!(asks("https://a.example"), Admitted::Any);
    let (open, _) = keys.create(writer("open"), NOW).unwrap();
    keys.create(page("https://a.example"), NOW).unwrap();
    assert_eq!(asks("https://b.example"), Admitted::Any);
    keys.revoke(&open.id, NOW).unwrap();
    assert_eq!((asks("https://a.example"), asks("https://b.example")), (Admitted::This, Admitted::No));
}

#[test]
fn the_last_use_is_kept_to_the_minute() {
    let keys = Keys::load(documents(), Kind::Key).unwrap();
    let (key, secret) = keys.create(writer("shop"), NOW).unwrap();
    assert_eq!(keys.last_uses(), []);
    opens(&keys, &secret, NOW + Span::SECOND.times(90)).unwrap();
    opens(&keys, &secret, NOW).unwrap();
    assert_eq!(keys.last_uses(), [(key.id.clone(), NOW + Span::MINUTE)]);
    keys.rotate(&key.id, Span::HOUR, NOW).unwrap();
    assert_eq!(keys.last_uses().len(), 1);
}

#[test]
fn an_area_is_held_by_its_star_and_by_nobody_elses() {
    let all = ["events:write", "content:read", "content:write", "deliver:read", "admin"];
    let allowed =
        |held: &str| -> Vec<&str> { all.into_iter().filter(|wanted| caller::holds(held, wanted)).collect() };
    assert_eq!(allowed("content:*"), ["content:read", "content:write"]);
    assert_eq!(allowed("content:read"), ["content:read"]);
    assert_eq!(allowed("admin"), all);
    assert_eq!(allowed("con:*"), [""; 0]);
}
