//! What texts say: canonical forms, names, refusals.

use crate::segment::{Schema, parse};

fn canonical(text: &str) -> String {
    match parse(text, &Schema::default()) {
        Ok(statement) => statement.to_string(),
        Err(refusal) => panic!("{refusal}"),
    }
}

#[test]
fn both_forms_of_the_mission_are_read_word_for_word() {
    let rule = "IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours THEN assign to \
                'Abandoned Cart Last 24h'";
    assert_eq!(
        canonical(rule),
        "IF event_type = 'cart_abandonment' AND timestamp >= now() - 24 hours THEN assign to \
         'Abandoned Cart Last 24h'"
    );
    let select = "SELECT customer_id FROM customer_data WHERE age BETWEEN 25 AND 35 AND location = 'NYC' AND \
                  recent_view_category = 'Electronics'";
    assert_eq!(canonical(select), select);
}
