//! Thoughts that are refused as nobody's own: left out once, beside a parameter too, and nothing is remembered of them.

use chat::Parameter;
use clock::Clock;

use super::*;
use crate::Payer;
use crate::asked::Asked;
use crate::run::{Ask, Question, Run};
use crate::untold::Untold;

const UNPROVEN: &str = "messages.1.content.0: Invalid `signature` in `thinking` block";
const NO_TEMPERATURE: &str = "`temperature` is deprecated for this model.";

/// A question that is answered when all refusals have been given, each with its status and its words.
struct Refused {
    refusals: Vec<(u16, &'static str)>,
    has_thoughts: bool,
    asked: Vec<Untold>,
}

impl Ask for Refused {
    type Answer = ();

    fn fits(&self, _: &Deployment) -> bool {
        true
    }

    fn tells(&self, _: Parameter) -> bool {
        true
    }

    fn has_thoughts(&self) -> bool {
        self.has_thoughts
    }

    async fn ask(&mut self, _: &mut Asked<'_>, untold: Untold) -> Result<(), Why> {
        self.asked.push(untold);
        let Some((status, words)) = self.refusals.get(self.asked.len() - 1) else { return Ok(()) };
        Err(Why::Upstream(Box::new(upstream::Error::Status {
            origin: "https://one.example".to_owned(),
            status: *status,
            retry_after: None,
            message: (*words).to_owned(),
            refusal: None,
            is_spent: false,
        })))
    }
}

/// What was left out each time it was asked, and how it ended.
async fn asked(
    refusals: &[(u16, &'static str)],
    has_thoughts: bool,
) -> (Vec<Untold>, Result<bool, String>, House) {
    let house = House::build(
        Clock::manual(),
        vec![("a/x", house::played("rules: [{answer: {text: hi}}]"))],
        Choice::Named(vec!["a/x".parse().unwrap()]),
    );
    let mut ask = Refused { refusals: refusals.to_vec(), has_thoughts, asked: Vec::new() };
    let question = Question {
        role: "client",
        client: None,
        payer: Payer::Operator,
        operation: Operation::Chat,
        within: Duration::from_secs(60),
    };
    let mut run = Run::start(&house.gateway, question, 1);
    let ended = run.candidate(&house.deployments[0], false, &mut ask).await;
    let ended = ended.map(|heard| heard.is_some()).map_err(|error| error.to_string());
    (ask.asked, ended, house)
}

const ALL: Untold = Untold { parameter: None, thoughts: false };
const NO_THOUGHTS: Untold = Untold { parameter: None, thoughts: true };
const NEITHER: Untold = Untold { parameter: Some(Parameter::Temperature), thoughts: true };

#[tokio::test]
async fn it_is_asked_once_more_without_them_and_nothing_is_remembered() {
    let (told, ended, house) = asked(&[(400, UNPROVEN)], true).await;
    assert_eq!((told, ended), (vec![ALL, NO_THOUGHTS], Ok(true)));
    assert!(house.recorder.dropped.lock().unwrap().is_empty());
    assert_eq!(house.trips(), 0);
    let ends: Vec<_> = house.ends().into_iter().map(|(_, end)| end).collect();
    assert_eq!(ends, [End::Failed(FailureClass::Client), End::Answered]);
}

#[tokio::test]
async fn thoughts_and_a_parameter_are_left_out_one_after_the_other() {
    let temperature = Untold { parameter: Some(Parameter::Temperature), thoughts: false };
    for (refusals, second) in
        [([UNPROVEN, NO_TEMPERATURE], NO_THOUGHTS), ([NO_TEMPERATURE, UNPROVEN], temperature)]
    {
        let (told, ended, house) = asked(&refusals.map(|words| (400, words)), true).await;
        assert_eq!((told, ended), (vec![ALL, second, NEITHER], Ok(true)));
        assert_eq!(house.recorder.dropped.lock().unwrap().len(), 1, "the parameter is remembered");
    }
}

#[tokio::test]
async fn what_is_refused_without_them_too_is_told_in_its_first_words() {
    for second in [UNPROVEN, "too many tools"] {
        let (told, ended, _) = asked(&[(400, UNPROVEN), (400, second)], true).await;
        assert_eq!(told, [ALL, NO_THOUGHTS]);
        let error = ended.unwrap_err();
        assert!(error.contains(UNPROVEN), "{error}");
    }
}

#[tokio::test]
async fn who_hands_none_back_or_is_refused_otherwise_is_asked_once() {
    for (refusal, has_thoughts) in
        [((400, UNPROVEN), false), ((400, "too many tools"), true), ((500, UNPROVEN), true)]
    {
        let (told, ended, _) = asked(&[refusal], has_thoughts).await;
        assert_eq!(told, [ALL], "{refusal:?}");
        assert_ne!(ended, Ok(true), "{refusal:?}");
    }
}
