//! Segments whose members come from runs of a query.

use super::*;
use crate::program::Refresh;

fn best_customers(program: &mut Program, version: u32) {
    let refresh = Refresh {
        text: "the best".into(),
        sql: "SELECT customer_id FROM customer_data ORDER BY total_spent LIMIT 1".into(),
        cron: Some("0 3 * * *".into()),
        zone: "Europe/Berlin".into(),
    };
    let what = Defined::Refreshed { name: "best".into(), version, refresh };
    program.apply(&Change { at: at(0), what }).unwrap();
}

fn run(scene: &mut Scene, number: u64, member: bool, now: Timestamp) {
    let mut actions = Vec::new();
    let segment = scene.program.segment("best").unwrap();
    let cause = MembershipCause::Refresh { run: number, first: number == 1 };
    refreshed(&mut scene.profile, &scene.program, segment, member, &cause, now, &mut actions);
    scene.tell(actions);
}

#[test]
fn only_a_run_moves_its_members_and_live_segments_follow() {
    let mut scene = Scene::new(&["IF in_segment('best') AND done purchase THEN assign to 'best buyers'"]);
    best_customers(&mut scene.program, 1);
    scene.send(&event("e1", "purchase", 0), at(0));
    assert_eq!(scene.told, [""; 0], "no event makes a member");
    run(&mut scene, 1, true, at(10));
    run(&mut scene, 1, true, at(11));
    assert_eq!(scene.told, ["enter best at 10000000", "enter best buyers at 10000000"], "once");
    scene.send(&event("e2", "purchase", 20), at(20));
    scene.wait(at(1_000));
    // A new version keeps the members until it has run.
    best_customers(&mut scene.program, 2);
    let timeline = vec![(Moment { timestamp: at(0), sequence: 1 }, event("e1", "purchase", 0))];
    let mut actions = Vec::new();
    refold(&mut scene.profile, &scene.program, timeline, at(2_000), &mut actions);
    assert_eq!(actions, []);
    run(&mut scene, 2, false, at(3_000));
    assert_eq!(scene.told.get(2..).unwrap(), ["exit best at 3000000000", "exit best buyers at 3000000000"]);
}

#[test]
fn a_segment_may_become_live_and_stop_being_so() {
    let mut scene = Scene::new(&[]);
    best_customers(&mut scene.program, 1);
    scene.send(&event("e1", "purchase", 0), at(0));
    run(&mut scene, 1, true, at(10));
    let text = "SELECT customer_id FROM customer_data WHERE total_spent > 100".into();
    let what = Defined::Segment { name: "best".into(), version: 2, text, traits: vec![], properties: vec![] };
    scene.program.apply(&Change { at: at(20), what }).unwrap();
    let timeline = vec![(Moment { timestamp: at(0), sequence: 1 }, event("e1", "purchase", 0))];
    let mut actions = Vec::new();
    refold(&mut scene.profile, &scene.program, timeline, at(20), &mut actions);
    scene.tell(actions);
    assert_eq!(scene.told, ["enter best at 10000000", "exit best at 20000000"]);
    run(&mut scene, 2, true, at(30));
    assert_eq!(scene.told.len(), 2, "what a run found is nothing to a live segment");
}
