use std::{collections::BTreeMap, io::Read, path::PathBuf, sync::Arc};

use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::*;
use crate::{
    model::{Asset, AssetKey, AssetShape, Exposure, Project, ResourceType},
    project::Opened,
};

fn asset(kind: &str, name: &str, group: Option<&str>, upstream: &[&str]) -> Asset {
    Asset {
        shape: AssetShape {
            key: AssetKey::new(["main", name]),
            group: group.map(ToOwned::to_owned),
            owners: Vec::new(),
            tags: BTreeMap::new(),
            description: None,
            metadata: BTreeMap::new(),
        },
        unique_id: format!("{kind}.shop.{name}"),
        resource_type: ResourceType::from(kind),
        name: name.to_owned(),
        package_name: "shop".to_owned(),
        original_file_path: format!("models/staging/{name}.sql"),
        fqn: ["shop", "staging", name].map(ToOwned::to_owned).to_vec(),
        materialized: None,
        relation_name: None,
        kinds: Vec::new(),
        code_version: None,
        upstream: upstream.iter().map(|id| (*id).to_owned()).collect(),
        downstream: Vec::new(),
        checks: Vec::new(),
        fresh_within: None,
        dbt_tags: Vec::new(),
        meta: String::new(),
    }
}

/// A source, a seed, two models of a group, one of none, and a dashboard.
fn opened(last: &str) -> Arc<Opened> {
    let exposure = Exposure {
        unique_id: "exposure.shop.board".to_owned(),
        name: "board".to_owned(),
        label: Some("The <b>board</b>".to_owned()),
        exposure_type: "dashboard".to_owned(),
        url: None,
        owner: None,
        description: None,
        upstream: vec![format!("model.shop.{last}")],
    };
    let mut source = asset("source", "wells", None, &[]);
    source.fqn = ["shop", "staging", "lake", "wells"].map(ToOwned::to_owned).to_vec();
    let assets = vec![
        source,
        asset("seed", "raw", None, &[]),
        asset("model", "orders", Some("sales"), &["seed.shop.raw"]),
        asset("model", last, Some("sales"), &["model.shop.orders", "seed.shop.raw"]),
    ];
    let mut project = Project::new(assets, Vec::new(), vec![exposure]);
    project.name = "shop".to_owned();
    Arc::new(Opened {
        project,
        manifest: PathBuf::new(),
        prepared: None,
        plugins: Vec::new(),
        calls: Vec::new(),
        warnings: Vec::new(),
    })
}

fn fold(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn json(ready: &Ready) -> Value {
    serde_json::from_slice(&ready.plain().unwrap()).unwrap()
}

#[test]
fn a_graph_names_its_nodes_once_and_edges_by_their_places() {
    let graph = json(&Graphs::default().get("shop", &opened("totals"), Grouping::Group, &[]).unwrap());
    let nodes = &graph["nodes"];
    assert_eq!(
        nodes["id"],
        serde_json::json!([
            "model.shop.orders",
            "seed.shop.raw",
            "model.shop.totals",
            "source.shop.wells",
            "exposure.shop.board"
        ])
    );
    assert_eq!(nodes["key"][0], "main/orders");
    assert_eq!(nodes["name"][3], "lake.wells");
    assert_eq!(nodes["name"][4], "The <b>board</b>");
    assert_eq!(nodes["resource_type"][4], "exposure");
    assert_eq!(nodes["layer"], serde_json::json!([1, 0, 2, 0, 3]));
    assert_eq!(nodes["group"], serde_json::json!([0, 1, 0, 2, null]));
    assert_eq!(graph["groups"][0]["name"], "sales");
    assert_eq!(graph["groups"][1]["name"], "staging/", "what has no group is in its folder");
    assert_eq!(graph["edges"]["from"], serde_json::json!([0, 1, 1, 2]));
    assert_eq!(graph["edges"]["to"], serde_json::json!([2, 0, 2, 4]));
    assert!(graph["edges"]["points"][2].as_array().unwrap().len() >= 4, "{graph}");
}

#[test]
fn a_folded_group_is_one_node_with_its_members() {
    let graph =
        json(&Graphs::default().get("shop", &opened("totals"), Grouping::Group, &fold(&["sales"])).unwrap());
    assert_eq!(graph["nodes"]["id"][0], "group:sales");
    assert_eq!(graph["nodes"]["members"][0], serde_json::json!(["model.shop.orders", "model.shop.totals"]));
    assert_eq!(graph["nodes"]["members"][1], Value::Null);
    assert_eq!(graph["groups"][0]["folded"], true);
    assert_eq!(graph["edges"]["from"].as_array().unwrap().len(), 2);
    let all =
        json(&Graphs::default().get("shop", &opened("totals"), Grouping::Group, &fold(&["*"])).unwrap());
    assert_eq!(
        all["nodes"]["id"],
        serde_json::json!(["group:sales", "group:staging/", "group:staging/lake/", "exposure.shop.board"])
    );
}

#[test]
fn groups_can_be_folders_instead() {
    let graphs = Graphs::default();
    let opened = opened("totals");
    let by_group = graphs.get("shop", &opened, Grouping::Group, &fold(&["*"])).unwrap();
    let by_folder = graphs.get("shop", &opened, Grouping::Folder, &fold(&["*"])).unwrap();
    assert_eq!(
        json(&by_folder)["nodes"]["id"],
        serde_json::json!(["group:models/staging/", "exposure.shop.board"])
    );
    assert_eq!(json(&by_folder)["groups"][0]["count"], 4);
    // One does not drive the other out.
    let again = graphs.get("shop", &opened, Grouping::Group, &fold(&["*"])).unwrap();
    assert_eq!(again.gzip.as_ptr(), by_group.gzip.as_ptr());
    let problem = graphs.get("shop", &opened, Grouping::Folder, &fold(&["sales"])).unwrap_err();
    assert_eq!(problem.status, 400);
}

#[test]
fn a_group_that_is_not_there_is_refused_with_the_one_that_was_meant() {
    let problem =
        Graphs::default().get("shop", &opened("totals"), Grouping::Group, &fold(&["sale"])).unwrap_err();
    assert_eq!(problem.status, 400);
    assert_eq!(problem.hint.as_deref(), Some("did you mean `sales`?"));
}

#[test]
fn the_same_project_read_again_is_the_same_graph_and_another_is_another() {
    let graphs = Graphs::default();
    let first = graphs.get("shop", &opened("totals"), Grouping::Group, &[]).unwrap();
    let again = graphs.get("shop", &opened("totals"), Grouping::Group, &[]).unwrap();
    assert_eq!(first.tag, again.tag);
    assert_eq!(first.gzip.as_ptr(), again.gzip.as_ptr(), "it was not laid out again");
    assert_ne!(graphs.get("shop", &opened("sums"), Grouping::Group, &[]).unwrap().tag, first.tag);
    assert_ne!(
        graphs.get("shop", &opened("totals"), Grouping::Group, &fold(&["sales"])).unwrap().tag,
        first.tag
    );
    let order = ["sales", "staging/"];
    let there = graphs.get("shop", &opened("totals"), Grouping::Group, &fold(&order)).unwrap();
    let back = graphs
        .get("shop", &opened("totals"), Grouping::Group, &fold(&[order[1], order[0], order[0]]))
        .unwrap();
    assert_eq!(there.tag, back.tag);
}

#[tokio::test]
async fn who_has_it_gets_nothing_and_who_takes_gzip_gets_it_compressed() {
    let ready = Graphs::default().get("shop", &opened("totals"), Grouping::Group, &[]).unwrap();
    let ask = |name: Option<(header::HeaderName, &str)>| {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = name {
            headers.insert(name, value.parse().unwrap());
        }
        answer(&ready, &headers)
    };
    let body =
        |response: Response| async { axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap() };

    let plain = ask(None);
    assert_eq!((plain.status(), plain.headers().get(header::CONTENT_ENCODING)), (StatusCode::OK, None));
    let tag = plain.headers()[header::ETAG].to_str().unwrap().to_owned();
    let plain = body(plain).await;
    serde_json::from_slice::<Value>(&plain).unwrap();

    let small = ask(Some((header::ACCEPT_ENCODING, "br, gzip;q=0.8")));
    assert_eq!(small.headers()[header::CONTENT_ENCODING], "gzip");
    let small = body(small).await;
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&small[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    assert!(
        !ask(Some((header::ACCEPT_ENCODING, "gzip;q=0"))).headers().contains_key(header::CONTENT_ENCODING)
    );

    for known in [tag.as_str(), "*", &format!("\"x\", {tag}")] {
        let same = ask(Some((header::IF_NONE_MATCH, known)));
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert!(body(same).await.is_empty());
    }
    assert_eq!(ask(Some((header::IF_NONE_MATCH, "\"x\""))).status(), StatusCode::OK);
}
