//! What becomes of a project whose translator works, and of one whose translator does not.

use serde_json::{Value, json};
use tidegate::{
    model::NodeFacts,
    plugins::{Catalogue, PluginSource, Sandbox},
    policy::{ProjectTranslator, TranslatorFault},
};

use crate::{File, built, guest::Guest, hasty, node, sandbox};

fn nodes() -> [NodeFacts; 2] {
    [node("source", "raw_orders"), node("model", "orders")]
}

fn defaults(nodes: &[NodeFacts]) -> Vec<Result<tidegate::model::AssetShape, String>> {
    nodes.iter().map(|node| Ok(node.default.clone())).collect()
}

fn of_source(sandbox: &Sandbox, source: &PluginSource, config: &Value) -> ProjectTranslator {
    ProjectTranslator::open(&Catalogue::new(sandbox.clone(), None), &source.to_string(), config)
}

fn open(guest: &Guest) -> ProjectTranslator {
    of_source(&sandbox(), &File::new(guest.build()).source(), &Value::Null)
}

#[test]
fn a_translator_that_works_is_on_record() {
    let sandbox = Sandbox::new(Default::default(), None).unwrap();
    let config = json!({"prefix": "lake"});
    let mut translator = of_source(&sandbox, &built("source-prefix"), &config);
    let answers = translator.translate(&nodes());
    assert_eq!(answers[0].as_ref().unwrap().key.to_string(), "lake/raw/raw_orders");
    assert_eq!(answers[1].as_ref().unwrap().key.to_string(), "orders");
    assert!(translator.warning().is_none() && !translator.is_partial());
    let record = translator.record().unwrap();
    assert_eq!((record.kind.as_str(), record.name.as_str()), ("translator", "source-prefix"));
    assert_eq!(record.digest.len(), 64);
}

#[test]
fn a_translator_that_does_not_load_leaves_the_defaults() {
    let source = PluginSource::File("/nowhere/plugin.wasm".into());
    let mut translator = of_source(&sandbox(), &source, &Value::Null);
    assert_eq!(translator.translate(&nodes()), defaults(&nodes()));
    assert_eq!(translator.record(), None);
    assert_eq!(
        translator.warning().unwrap(),
        "plugin `/nowhere/plugin.wasm`: there is no such file\n\
         assets are what they are without a translator"
    );
    assert!(translator.fault().unwrap().hint().is_some());
}

#[test]
fn a_configuration_that_is_refused_is_told_apart() {
    let sandbox = Sandbox::new(Default::default(), None).unwrap();
    let translator = of_source(&sandbox, &built("source-prefix"), &json!({"prefx": 1}));
    let Some(TranslatorFault::Config { reason, .. }) = translator.fault() else { panic!() };
    assert!(reason.contains("prefx"), "{reason}");
    assert!(translator.record().is_some());
}

#[test]
fn after_the_first_fault_a_translator_is_not_tried_again() {
    // It works for one node, and spins for two.
    let sandbox = Sandbox::new(hasty(), None).unwrap();
    let spins = Guest {
        translate: "(if (i32.gt_u (local.get $count) (i32.const 1)) (then (call $loop)))
            (call $refuse (local.get $count))",
        ..Guest::default()
    };
    let mut translator = of_source(&sandbox, &File::new(spins.build()).source(), &Value::Null);
    assert_eq!(translator.translate(&nodes()[..1]), [Err("no".to_owned())]);
    assert!(!translator.is_partial());
    assert_eq!(translator.translate(&nodes()), defaults(&nodes()));
    // If it were asked, it would refuse.
    assert_eq!(translator.translate(&nodes()[..1]), defaults(&nodes()[..1]));
    assert!(translator.is_partial());
    let warning = translator.warning().unwrap();
    assert!(warning.contains("` gave no answer within 0.3 s\n"), "{warning}");
}

#[test]
fn a_translator_that_traps_costs_one_warning() {
    for guest in [
        Guest { describe: "unreachable", ..Guest::default() },
        Guest { check_config: "unreachable", ..Guest::default() },
        Guest { translate: "unreachable", ..Guest::default() },
    ] {
        let mut translator = open(&guest);
        assert_eq!(translator.translate(&nodes()), defaults(&nodes()));
        assert!(translator.warning().unwrap().contains("broke off: it panicked or aborted"));
    }
}
