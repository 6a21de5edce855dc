//! Selectors of exactly some nodes, against what dbt selects by them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tidegate::{
    dbt::{exact_selectors, narrowed_arguments, planned_types},
    model::{Check, Project, ResourceType},
    project::load,
};

use super::{ask, tests_path};

/// A project in which every name stands in the way of another one.
const TRAPS: &[(&str, &str)] = &[
    (
        "dbt_project.yml",
        "name: traps\nversion: '1.0'\nprofile: traps\nflags: {send_anonymous_usage_stats: false}\n\
         models:\n  pack: {+schema: pack}\n",
    ),
    ("profiles.yml", "traps: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:'}}}\n"),
    ("packages.yml", "packages:\n- local: ./pack_source\n"),
    ("pack_source/dbt_project.yml", "name: pack\nversion: '1.0'\nprofile: traps\n"),
    ("pack_source/models/area/plot.sql", "select 1 as id"),
    ("pack_source/models/orders.sql", "select 1 as id"),
    ("pack_source/models/schema.yml", "models:\n- name: orders\n  columns: [{name: id, data_tests: [unique]}]\n"),
    // A model, a folder of its name, and in there a model of a name that begins with it.
    ("models/orders.sql", "select 1 as id"),
    ("models/orders/lines.sql", "select 1 as id"),
    ("models/orders/orders_more.sql", "select 1 as id"),
    ("models/order.sql", "select 1 as id"),
    // A folder of the package's name, with a model of the name and place of the package's.
    ("models/pack/area/plot.sql", "select 1 as id"),
    ("models/odd + folder,1/[deep].x/plain-name.sql", "select 1 as id"),
    ("models/dotted.name.sql", "select 1 as id"),
    ("models/dotted/name.sql", "select 1 as id"),
    ("models/Case/UPPER.sql", "select 1 as id"),
    ("models/umlaut/größe.sql", "select 1 as id"),
    ("models/v/customers_v1.sql", "select 1 as id"),
    ("models/v/customers_v2.sql", "select 1 as id"),
    ("models/v/customers_v11.sql", "select 1 as id"),
    ("models/hidden.sql", "{{ config(materialized='ephemeral') }} select 1 as id"),
    ("models/on_hidden.sql", "select * from {{ ref('hidden') }}"),
    ("models/on_source.sql", "select * from {{ source('raw', 'events') }}"),
    (
        "models/schema.yml",
        "sources:
- name: raw
  tables: [{name: events}, {name: events_more}, {name: a.b, data_tests: [{unique: {column_name: id}}]}]
- name: raw_more
  tables: [{name: events}]
exposures:
- {name: orders, type: dashboard, owner: {name: n, email: n@x.y}, depends_on: [ref('order')]}
models:
- name: orders
  columns:
  - name: id
    data_tests: [unique, not_null, {unique: {name: twin, config: {where: '1=1'}}}, {accepted_values: {arguments: {values: [1, 2]}}}]
- name: order
  columns: [{name: id, data_tests: [unique, {not_null: {name: twin}}, {relationships: {arguments: {to: ref('orders'), field: id}}}]}]
- name: on_hidden
  columns: [{name: id, data_tests: [unique, {accepted_values: {arguments: {values: [a very long value that makes the name of the test too long for the database, another one]}}}]}]
unit_tests:
- {name: counts, model: on_hidden, given: [], expect: {rows: [{id: 1}]}}
- {name: counts, model: on_source, given: [{input: \"source('raw', 'events')\", rows: [{id: 1}]}], expect: {rows: [{id: 1}]}}
- {name: counts_more, model: on_hidden, given: [], expect: {rows: [{id: 1}]}}
",
    ),
    ("models/other.yml", "models: [{name: on_source, columns: [{name: id, data_tests: [{unique: {name: twin}}]}]}]\n"),
    (
        "models/v/schema.yml",
        "models:
- name: customers
  latest_version: 2
  columns: [{name: id, data_tests: [unique]}]
  versions: [{v: 1}, {v: 2}, {v: 11}]
",
    ),
    ("seeds/countries.csv", "id\n1\n"),
    ("seeds/more/countries_more.csv", "id\n1\n"),
    ("snapshots/schema.yml", "snapshots:\n- {name: yaml_snap, relation: ref('orders'), config: {strategy: check, check_cols: all, unique_key: id}}\n"),
    (
        "snapshots/old.sql",
        "{% snapshot sql_snap %}{{ config(target_schema='s', strategy='check', check_cols='all', unique_key='id') }}\
         select * from {{ ref('order') }}{% endsnapshot %}",
    ),
    ("analyses/on_orders.sql", "select * from {{ ref('orders') }}"),
    ("tests/nothing.sql", "select * from {{ ref('orders') }} where false"),
    ("tests/deep/nothing_more.sql", "select * from {{ ref('orders') }} where false"),
];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if ["target", "logs", "dbt_packages"].iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to)
        } else {
            drop(fs::copy(entry.path(), to))
        }
    }
}

/// A project as dbt has parsed it.
struct Parsed {
    dir: PathBuf,
    deps: bool,
    project: Project,
    _folder: tempfile::TempDir,
}

impl Parsed {
    fn new(fill: impl Fn(&Path), deps: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().canonicalize().unwrap();
        fill(&dir);
        ask("dbt/selection.py", &json!({"project": dir, "deps": deps, "lists": []}));
        let project = load("shop", &dir.join("target/manifest.json"), None).unwrap().project;
        Self { dir, deps: false, project, _folder: folder }
    }

    /// What each command lists.
    fn listed(&self, commands: &[Vec<String>]) -> Vec<BTreeSet<String>> {
        let lists: Vec<Vec<&str>> = commands
            .iter()
            .map(|args| {
                let types = if args[0] == "source" { &["source"] } else { planned_types(args) };
                let options = args.iter().skip_while(|arg| !arg.starts_with('-')).map(String::as_str);
                options.chain(types.iter().flat_map(|kind| ["--resource-type", kind])).collect()
            })
            .collect();
        let answer =
            ask("dbt/selection.py", &json!({"project": self.dir, "deps": self.deps, "lists": lists}));
        let ids =
            |ids: &Value| ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        answer.as_array().unwrap().iter().map(ids).collect()
    }

    /// The nodes that a build runs.
    fn nodes(&self) -> Vec<String> {
        let assets = self.project.assets.iter().filter(|asset| asset.resource_type != ResourceType::Source);
        let assets = assets.map(|asset| asset.unique_id.clone());
        assets.chain(self.project.checks.iter().map(|check| check.unique_id.clone())).collect()
    }

    /// Tests with one name come together.
    fn with_twins(&self, wanted: &BTreeSet<String>) -> BTreeSet<String> {
        let name = |check: &Check| {
            (check.fqn.clone(), check.original_file_path.rsplit('/').next().map(str::to_owned))
        };
        let named: BTreeSet<_> = wanted.iter().filter_map(|id| self.project.check(id)).map(name).collect();
        let twins = self.project.checks.iter().filter(|check| named.contains(&name(check)));
        wanted.iter().cloned().chain(twins.map(|check| check.unique_id.clone())).collect()
    }

    fn check(&self, command: &str, nodes: &[String]) {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let mut wanted: Vec<BTreeSet<String>> = nodes.iter().map(|id| BTreeSet::from([id.clone()])).collect();
        wanted.push(nodes.iter().cloned().collect());
        let mut random = 88_172_645_463_325_252_u64;
        for share in (2..9).cycle().take(40) {
            let mut one_of = || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random.is_multiple_of(share)
            };
            wanted.push(nodes.iter().filter(|_| one_of()).cloned().collect());
        }
        wanted.retain(|wanted| !wanted.is_empty());
        let commands: Vec<_> = wanted
            .iter()
            .map(|wanted| {
                let selectors = exact_selectors(&self.project, wanted.iter().map(String::as_str));
                narrowed_arguments(&words, &selectors).unwrap()
            })
            .collect();
        for ((wanted, listed), command) in wanted.iter().zip(self.listed(&commands)).zip(&commands) {
            assert_eq!(listed, self.with_twins(wanted), "{command:?}");
        }
    }
}

fn demo() -> Parsed {
    Parsed::new(|dir| copy(&tests_path("../../dbt_project"), dir), false)
}

fn traps() -> Parsed {
    let fill = |dir: &Path| {
        for (file, text) in TRAPS {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    };
    Parsed::new(fill, true)
}

#[test]
fn dbt_selects_exactly_what_was_meant_in_the_demo_project() {
    let demo = demo();
    demo.check("build --select +fct_orders --exclude tag:raw", &demo.nodes());
}

#[test]
fn dbt_selects_exactly_what_was_meant_where_names_stand_in_the_way() {
    let traps = traps();
    let nodes = traps.nodes();
    assert!(nodes.len() > 35, "{nodes:?}");
    let twins = traps.project.checks.iter().filter(|check| check.name == "twin");
    let files: Vec<_> = twins.map(|check| check.original_file_path.as_str()).collect();
    assert_eq!(
        files.iter().filter(|file| **file == "models/schema.yml").count(),
        2,
        "dbt cannot tell them apart"
    );
    assert_eq!(files.len(), 3, "though it can tell a third one");
    traps.check("build --resource-type seed --selector nothing", &nodes);
    let sources: Vec<_> =
        traps.project.assets.iter().filter(|a| a.resource_type == ResourceType::Source).collect();
    assert_eq!(sources.len(), 4);
    traps.check("source freshness", &sources.iter().map(|a| a.unique_id.clone()).collect::<Vec<_>>());
}

#[test]
fn a_node_that_the_project_does_not_know_is_found_by_its_id() {
    let traps = traps();
    let stranger = Project::default();
    let nodes: Vec<_> = traps.nodes().into_iter().chain(["exposure.traps.orders".to_owned()]).collect();
    let command = |id: &String| {
        narrowed_arguments(&["build".to_owned()], &exact_selectors(&stranger, [id.as_str()])).unwrap()
    };
    let commands: Vec<_> = nodes.iter().map(command).collect();
    for ((id, listed), command) in nodes.iter().zip(traps.listed(&commands)).zip(&commands) {
        assert!(listed.contains(id), "{command:?} lists {listed:?}");
        let kinds: BTreeSet<_> = listed.iter().map(|id| id.split('.').next()).collect();
        assert_eq!(kinds.len(), 1, "{command:?} lists {listed:?}");
    }
    assert_eq!(exact_selectors(&stranger, ["operation.traps.traps-on-run-end-0", "nonsense"]), [""; 0]);
}
