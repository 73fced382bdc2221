//! Following a new configuration: all or nothing, cells are kept, and what a crash took away is planted anew.

use std::sync::Arc;

use actors::tree::{Blueprint, House};
use cells::State as Breaker;
use supervision::State;
use units::DeploymentId;
use upstream::{Dialect, Endpoint, HttpEndpoint, Spoken};

use crate::house::Place;

const SCRIPT: &str = "models: [one, two]\nrules: [{answer: {text: hi}}]\n";

fn id(text: &str) -> DeploymentId {
    text.parse().unwrap()
}

/// The blueprint with these models of these providers, all played by the first one's script.
fn with(place: &Place, wanted: &[(&str, &[&str])]) -> Blueprint {
    let mut blueprint = place.blueprint();
    let first = blueprint.providers.remove(0);
    for (name, models) in wanted {
        let mut spec = first.clone();
        spec.id = name.parse().unwrap();
        spec.models = models.iter().map(|model| (model.parse().unwrap(), None)).collect();
        blueprint.providers.push(spec);
    }
    blueprint
}

fn children(house: &House, path: &str) -> Vec<String> {
    let view = (house.doors().view)();
    let found = view.walk().into_iter().find(|(at, _)| at == path).map(|(_, node)| node.children.clone());
    found.unwrap_or_default().into_iter().map(|node| node.id).collect()
}

#[actix_rt::test]
async fn who_stays_keeps_his_cells_and_who_goes_is_stopped() {
    let place = Place::new(&[], SCRIPT);
    let house = place.open().await;
    let routes = || house.doors().routes.load_full();
    let before = routes().deployment(&id("demo/one")).unwrap().clone();

    let revision =
        house.follow(&with(&place, &[("demo", &["one", "three"]), ("other", &["one"])])).await.unwrap();
    assert_eq!(revision, 2);
    let after = routes().deployment(&id("demo/one")).unwrap().clone();
    assert!(Arc::ptr_eq(&before.breaker, &after.breaker) && Arc::ptr_eq(&before.dropped, &after.dropped));
    assert!(after.price.is_none(), "the new price is in force");
    assert!(routes().deployment(&id("demo/two")).is_none());
    drop(before);
    while children(&house, "root/providers/demo") != ["account", "one", "three@2"] {
        tokio::task::yield_now().await;
    }
    assert_eq!(children(&house, "root/providers"), ["demo", "other@2"]);

    // Who comes back is somebody new.
    house.follow(&with(&place, &[("demo", &["two"])])).await.unwrap();
    while children(&house, "root/providers") != ["demo"] {
        tokio::task::yield_now().await;
    }
    house.stop().await;
}

#[actix_rt::test]
async fn another_dialect_is_spoken_from_then_on_with_the_same_cells() {
    let place = Place::new(&[], SCRIPT);
    let house = place.open().await;
    let speaking = |spoken: &[(&str, Spoken)]| {
        let mut blueprint = with(&place, &[("demo", &["one", "two"]), ("other", &["old", "new"])]);
        let other = &mut blueprint.providers[1];
        other.endpoint = Some(Endpoint::Http(HttpEndpoint {
            dialect: Dialect::OpenAiChat,
            also: None,
            base_url: "http://127.0.0.1:9/v1".parse().unwrap(),
            extras: None,
            key: None,
            keys: None,
            is_traced: false,
            has_account_routes: false,
            lets_through: false,
        }));
        other.spoken = spoken.iter().map(|(model, own)| (model.parse().unwrap(), *own)).collect();
        blueprint
    };
    let deployment = |name: &str| house.doors().routes.load_full().deployment(&id(name)).unwrap().clone();
    let dialect = |name: &str| match &deployment(name).endpoint {
        Endpoint::Http(endpoint) => endpoint.dialect,
        Endpoint::Scripted(_) => panic!("{name} is on the network"),
    };
    house.follow(&speaking(&[])).await.unwrap();
    assert_eq!([dialect("other/old"), dialect("other/new")], [Dialect::OpenAiChat; 2]);
    let before = deployment("other/new");
    let own = Spoken { dialect: Dialect::OpenAiResponses, also: None };
    house.follow(&speaking(&[("new", own)])).await.unwrap();
    assert_eq!([dialect("other/old"), dialect("other/new")], [Dialect::OpenAiChat, Dialect::OpenAiResponses]);
    assert!(Arc::ptr_eq(&before.breaker, &deployment("other/new").breaker));
    house.stop().await;
}

#[actix_rt::test]
async fn a_table_that_contradicts_itself_changes_nothing() {
    let place = Place::new(&[], SCRIPT);
    let house = place.open().await;
    let before = house.doors().routes.load_full();
    let tree = children(&house, "root/providers/demo");
    // The roles still name the provider that is gone.
    assert!(house.follow(&with(&place, &[("other", &["one"])])).await.is_err());
    assert!(Arc::ptr_eq(&before, &house.doors().routes.load_full()));
    assert_eq!(children(&house, "root/providers/demo"), tree);
    assert_eq!(children(&house, "root/providers"), ["demo"]);
    let metrics = house.doors().metrics().await.unwrap();
    assert!(metrics.contains("impresario_config_revision 1\n"), "{metrics}");
    assert!(metrics.contains("impresario_config_reload_failures_total 1\n"), "{metrics}");
    house.stop().await;
}

#[actix_rt::test]
async fn what_a_restart_of_the_branch_took_away_is_planted_anew() {
    let place = Place::new(&[], SCRIPT);
    let house = place.open().await;
    let wanted: &[(&str, &[&str])] = &[("demo", &["one", "three"]), ("other", &["one"])];
    house.follow(&with(&place, wanted)).await.unwrap();
    assert!(house.is_whole());

    house.doors().registry.supervisor("root").unwrap().kill_child("providers").await.unwrap();
    let branch = house.doors().registry.place("root/providers").unwrap();
    while branch.generation() < 2 || branch.state() != State::Running {
        tokio::task::yield_now().await;
    }
    assert!(!house.is_whole(), "those who came later are gone");

    house.follow(&with(&place, wanted)).await.unwrap();
    assert!(house.is_whole());
    let routes = house.doors().routes.load_full();
    for deployment in ["demo/one", "demo/three", "other/one"] {
        let published = routes.deployment(&id(deployment)).unwrap();
        assert_ne!(published.breaker.state(), Breaker::Open, "{deployment}");
    }
    assert_eq!(children(&house, "root/providers"), ["demo", "other@3"]);
    house.stop().await;
}
