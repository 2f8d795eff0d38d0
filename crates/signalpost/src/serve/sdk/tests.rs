//! Which cookie a page may ask for.

use super::*;

#[test]
fn only_an_identity_cookie_of_this_host_is_set() {
    let set = |asked: &str| identity_cookie(asked, "shop.example.com:8080").is_some();
    for good in [
        "sp_id=123-456; Path=/; SameSite=Lax; Max-Age=34560000",
        "sp_id=123-456; Path=/; SameSite=Lax; Max-Age=1; Domain=example.com; Secure",
        "my-id=0a; Domain=.shop.example.com",
    ] {
        assert!(set(good), "{good}");
    }
    for bad in [
        "",
        "sp_id",
        "sp_id=",
        "session=1",
        "sp_id=a b",
        "sp_id=1; HttpOnly",
        "sp_id=1; Path=/admin",
        "sp_id=1; Max-Age=34560001",
        "sp_id=1; Max-Age=-1",
        "sp_id=1; Domain=ample.com",
        "sp_id=1; Domain=com",
        "sp_id=1; Domain=other.example",
        "sp_id=1; Domain=a.shop.example.com",
        "sp_id=1\r\nSet-Cookie: x=y",
        "sp_id=1; SameSite=Lax, x=y",
    ] {
        assert!(!set(bad), "{bad}");
    }
}
