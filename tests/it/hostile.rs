//! Models that try to leave the workspace: by absolute paths, by `..`, by links, by files they may not touch.

use std::fs;
use std::os::unix::fs::symlink;

use workflow::{Event, Outcome, Rejection};

use crate::folder;
use crate::house::House;
use crate::runs::furnish;
use crate::speech::{approve, edits, plan, replace, task};
use crate::story::{Story, count};

#[tokio::test]
async fn a_plan_that_writes_outside_is_refused_with_the_reason() {
    let mut house = House::new(|asked| match asked.model.as_str() {
        "planner" if asked.text.contains("Your last plan was refused") => {
            plan(&[task("only", &[], &["a.txt"])])
        }
        "planner" => plan(&[
            task("absolute", &[], &["/etc/impresario.txt"]),
            task("climbing", &[], &["sub/../../outside.txt"]),
            task("history", &[], &[".git/hooks/pre-commit"]),
        ]),
        "reviewer" => approve(),
        _ => edits(&[replace("a.txt", "alpha\n", "ALPHA\n")]),
    });
    furnish(&house);
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    let heard = Story::follow(&client, &id).done().await;

    let reason = heard.iter().find_map(|heard| {
        let Event::PlanRejected { attempt: 1, reason } = &heard.event else { return None };
        Some(reason.clone())
    });
    let reason = reason.expect("the first plan is refused");
    let feedback = &house.vendor.asked()[1].text;
    for defect in ["/etc/impresario.txt", "sub/../../outside.txt", ".git/hooks/pre-commit"] {
        assert!(reason.contains(defect), "{reason}");
        assert!(feedback.contains(defect), "{feedback}");
    }
    assert!(!house.path("outside.txt").exists());
}

#[tokio::test]
async fn edits_outside_of_the_claim_or_the_workspace_are_refused_with_the_reason() {
    let mut house = House::new(|asked| match asked.model.as_str() {
        "planner" => plan(&[task("only", &[], &["a.txt"])]),
        "reviewer" => approve(),
        _ if asked.text.contains("may not write: b.txt") => edits(&[replace("a.txt", "alpha\n", "ALPHA\n")]),
        _ if asked.text.contains("climbs with") => {
            edits(&[replace("a.txt", "alpha\n", "ALPHA\n"), replace("b.txt", "beta\n", "BETA\n")])
        }
        _ => {
            edits(&[replace("../outside.txt", "", "out\n"), replace("/tmp/impresario-out.txt", "", "out\n")])
        }
    });
    furnish(&house);
    let client = house.serve().await;
    let id = client.start(&house.order()).await.unwrap();
    let heard = Story::follow(&client, &id).done().await;

    assert_eq!(house.read("a.txt"), "ALPHA\n");
    assert_eq!(house.read("b.txt"), "beta\n");
    assert!(!house.path("outside.txt").exists());
    let unreadable = |event: &Event| {
        matches!(event, Event::EditRejected { reason: Rejection::Unparseable { .. }, attempt: 1, .. })
    };
    assert_eq!(count(&heard, unreadable), 1);
    let unclaimed = |event: &Event| {
        matches!(event, Event::EditRejected { reason: Rejection::OutsideClaim { .. }, attempt: 2, .. })
    };
    assert_eq!(count(&heard, unclaimed), 1);
}

#[tokio::test]
async fn nothing_is_written_through_a_link_that_leads_outside() {
    for target in ["out/victim.txt", "victim-link.txt"] {
        let mut house = House::new(move |asked| match asked.model.as_str() {
            "planner" => plan(&[task("only", &[], &[target])]),
            "reviewer" => approve(),
            _ if asked.text.contains("precious") => edits(&[replace(target, "precious\n", "stolen\n")]),
            _ => edits(&[replace(target, "", "stolen\n")]),
        });
        furnish(&house);
        fs::create_dir(house.path("outside")).unwrap();
        fs::write(house.path("outside/victim.txt"), "precious\n").unwrap();
        symlink("../outside", house.workspace().join("out")).unwrap();
        symlink("../outside/victim.txt", house.workspace().join("victim-link.txt")).unwrap();
        let (inside, outside) = (house.files(), folder::files(&house.path("outside")));
        let client = house.serve().await;
        let id = client.start(&house.order()).await.unwrap();
        let (outcome, heard) = Story::follow(&client, &id).end().await;

        assert!(matches!(outcome, Outcome::Failed { .. }), "{target}: {outcome:?} {heard:#?}");
        assert_eq!(folder::files(&house.path("outside")), outside, "{target}");
        assert_eq!(house.files(), inside, "{target}");
        for asked in house.vendor.asked() {
            assert!(!asked.text.contains("precious"), "{target}: {}", asked.text);
        }
    }
}
