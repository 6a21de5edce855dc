//! The graph as it is sent: short, since there may be thousands of nodes, and made of columns, since these compress well.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    lineage::{self, Graph, Layout, Measures, Node},
    model::{Asset, Project, ResourceType},
    web::Problem,
};

/// The graph of a project on a plane that begins at 0, 0, in units that are pixels at the natural size.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineageGraph {
    /// The project.
    pub project: String,
    /// The digest of the project as it was read: it changes with the manifest.
    pub digest: String,
    /// The width of the plane.
    pub width: i32,
    /// The height of the plane.
    pub height: i32,
    /// The width of every node.
    pub node_width: i32,
    /// The height of every node.
    pub node_height: i32,
    /// The groups, folded or not, sorted by name.
    pub groups: Vec<LineageGroup>,
    /// The nodes: lists of one length, in one order.
    pub nodes: LineageNodes,
    /// The edges: lists of one length, in one order.
    pub edges: LineageEdges,
}

/// What nodes are grouped by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Grouping {
    /// By the group that dbt or a translator puts them in; what has none by dbt's name of the folder that it is defined in.
    #[default]
    Group,
    /// By the folder of their file below the project's.
    Folder,
}

/// Nodes that can be folded into one.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineageGroup {
    /// The group's name. What has no group belongs to the folder that it is defined in; such a name ends with `/`.
    pub name: String,
    /// How many nodes it has.
    pub count: u32,
    /// Whether it is folded here.
    pub folded: bool,
}

/// The nodes, each at one place of all lists.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct LineageNodes {
    /// The unique id; of a folded group, `group:` and its name.
    pub id: Vec<String>,
    /// The asset key as it is shown; of an exposure or a folded group, its name.
    pub key: Vec<String>,
    /// The name; of a source's table with the source's before it, of an exposure its label.
    pub name: Vec<String>,
    /// The resource type; `group` for a folded group.
    pub resource_type: Vec<String>,
    /// The place of its group in `groups`; null for an exposure.
    pub group: Vec<Option<u32>>,
    /// The layer, from 0 on the left.
    pub layer: Vec<u32>,
    /// The left edge.
    pub x: Vec<i32>,
    /// The upper edge.
    pub y: Vec<i32>,
    /// The unique ids of what is in it, of a folded group; else null.
    pub members: Vec<Option<Vec<String>>>,
}

/// The edges, each at one place of all lists.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct LineageEdges {
    /// The place of the node that is read.
    pub from: Vec<u32>,
    /// The place of the node that reads it.
    pub to: Vec<u32>,
    /// Points that it passes on its way, as x, y, x, y …; empty where it only goes from one layer to the next.
    pub points: Vec<Vec<i32>>,
    /// The places of the edges that lead back, since folded groups read each other in a circle.
    pub back: Vec<u32>,
}

/// What of a project is laid out.
pub struct Outline<'a> {
    project: &'a Project,
    groups: Vec<(String, u32)>,
    graph: Graph,
}

impl<'a> Outline<'a> {
    /// Takes it from the project: assets in the order of their keys, then exposures.
    pub fn new(project: &'a Project, by: Grouping) -> Self {
        let packages: BTreeSet<_> = project.assets.iter().map(|asset| &asset.package_name).collect();
        let name = |asset| match by {
            Grouping::Group => group_of(asset, packages.len() > 1),
            Grouping::Folder => format!("{}/", project.folder(asset)),
        };
        let names: Vec<_> = project.assets.iter().map(name).collect();
        let mut counts = BTreeMap::<&str, u32>::new();
        for name in &names {
            *counts.entry(name).or_default() += 1;
        }
        let places: BTreeMap<&str, u32> = counts.keys().copied().zip(0..).collect();
        let assets =
            names.iter().map(|name| Node { group: places.get(name.as_str()).copied(), is_end: false });
        let exposures = project.exposures.iter().map(|_| Node { group: None, is_end: true });
        let nodes = assets.chain(exposures).collect();
        let assets = project.assets.iter().map(|asset| (&asset.unique_id, &asset.upstream));
        let exposures = project.exposures.iter().map(|exposure| (&exposure.unique_id, &exposure.upstream));
        let all: Vec<_> = assets.chain(exposures).collect();
        let place: BTreeMap<&str, u32> = all.iter().map(|(id, _)| id.as_str()).zip(0..).collect();
        let edges = all.iter().zip(0u32..).flat_map(|((_, upstream), to)| {
            upstream
                .iter()
                .filter_map(|id| place.get(id.as_str()).copied())
                .map(move |from| (from, to))
                .collect::<Vec<_>>()
        });
        let graph = Graph { nodes, edges: edges.collect() };
        let groups = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Self { project, groups, graph }
    }

    /// Everything that a picture of it depends on, as bytes.
    pub fn content(&self) -> Vec<u8> {
        let mut content = Vec::new();
        let mut write = |text: &str| {
            content.extend((text.len() as u64).to_le_bytes());
            content.extend(text.as_bytes());
        };
        write(&self.project.name);
        write(&self.project.digest);
        for asset in &self.project.assets {
            write(&asset.unique_id);
            write(&asset.shape.key.to_string());
            write(&name_of(asset));
            write(asset.resource_type.as_str());
        }
        for exposure in &self.project.exposures {
            write(&exposure.unique_id);
            write(&exposure.name);
            write(exposure.label.as_deref().unwrap_or_default());
        }
        self.groups.iter().for_each(|(name, _)| write(name));
        for node in &self.graph.nodes {
            content.extend(node.group.map_or(u32::MAX, |group| group).to_le_bytes());
        }
        for (from, to) in &self.graph.edges {
            content.extend(from.to_le_bytes());
            content.extend(to.to_le_bytes());
        }
        content
    }

    /// The groups of these names, `*` for all of them.
    pub fn groups(&self, names: &[String]) -> Result<BTreeSet<u32>, Problem> {
        let mut groups = BTreeSet::new();
        for name in names {
            if name == "*" {
                groups.extend(0..self.groups.len() as u32);
                continue;
            }
            let found = self.groups.binary_search_by(|(group, _)| group.as_str().cmp(name));
            let found = found.map_err(|_| {
                let problem =
                    Problem::bad(format!("the project `{}` has no group `{name}`", self.project.name));
                let known = self.groups.iter().map(|(group, _)| group.as_str());
                match crate::model::nearest(name, known) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem.hint("`groups` of the graph has their names"),
                }
            })?;
            groups.insert(found as u32);
        }
        Ok(groups)
    }

    /// Lays it out, with these groups folded.
    pub fn lay_out(&self, folded: &BTreeSet<u32>) -> LineageGraph {
        let measures = Measures::default();
        let folding = lineage::fold(&self.graph, folded);
        let layout = lineage::lay_out(&folding.graph, &measures);
        let mut nodes = LineageNodes::default();
        for (place, members) in folding.members.iter().enumerate() {
            match folding.groups[place] {
                Some(group) => self.add_group(&mut nodes, group, members),
                None => members.iter().for_each(|&node| self.add(&mut nodes, node)),
            }
        }
        for spot in &layout.nodes {
            nodes.layer.push(spot.layer);
            nodes.x.push(spot.x);
            nodes.y.push(spot.y);
        }
        let groups = self.groups.iter().zip(0..).map(|((name, count), place)| LineageGroup {
            name: name.clone(),
            count: *count,
            folded: folded.contains(&place),
        });
        LineageGraph {
            project: self.project.name.clone(),
            digest: self.project.digest.clone(),
            width: layout.width,
            height: layout.height,
            node_width: measures.width,
            node_height: measures.height,
            groups: groups.collect(),
            nodes,
            edges: edges(layout),
        }
    }

    fn add(&self, nodes: &mut LineageNodes, node: u32) {
        let assets = &self.project.assets;
        let at = node as usize;
        let (id, key, name, kind) = match assets.get(at) {
            Some(asset) => {
                (&asset.unique_id, asset.shape.key.to_string(), name_of(asset), &asset.resource_type)
            }
            None => {
                let exposure = &self.project.exposures[at - assets.len()];
                let label = exposure.label.as_ref().unwrap_or(&exposure.name).clone();
                (&exposure.unique_id, exposure.name.clone(), label, &ResourceType::Exposure)
            }
        };
        nodes.id.push(id.clone());
        nodes.key.push(key);
        nodes.name.push(name);
        nodes.resource_type.push(kind.as_str().to_owned());
        nodes.group.push(self.graph.nodes[at].group);
        nodes.members.push(None);
    }

    fn add_group(&self, nodes: &mut LineageNodes, group: u32, members: &[u32]) {
        let name = &self.groups[group as usize].0;
        nodes.id.push(format!("group:{name}"));
        nodes.key.push(name.clone());
        nodes.name.push(name.clone());
        nodes.resource_type.push("group".to_owned());
        nodes.group.push(Some(group));
        let ids = members.iter().map(|&node| self.project.assets[node as usize].unique_id.clone());
        nodes.members.push(Some(ids.collect()));
    }
}

/// What an asset is called: tables of sources are mostly called as the models that read them.
fn name_of(asset: &Asset) -> String {
    match (&asset.resource_type, &asset.fqn[..]) {
        (ResourceType::Source, [.., source, table]) => format!("{source}.{table}"),
        _ => asset.name.clone(),
    }
}

/// The group of an asset; where it has none, the folder that it is defined in.
fn group_of(asset: &Asset, several_packages: bool) -> String {
    if let Some(group) = &asset.shape.group {
        return group.clone();
    }
    let folders = asset.fqn.len().saturating_sub(1);
    let package = usize::from(!several_packages && folders > 1);
    let path = asset.fqn.get(package..folders).unwrap_or_default();
    format!("{}/", if path.is_empty() { asset.package_name.clone() } else { path.join("/") })
}

fn edges(layout: Layout) -> LineageEdges {
    let mut edges = LineageEdges::default();
    for (place, edge) in (0..).zip(layout.edges) {
        edges.from.push(edge.from);
        edges.to.push(edge.to);
        edges.points.push(edge.points.into_iter().flat_map(|(x, y)| [x, y]).collect());
        if edge.is_back {
            edges.back.push(place);
        }
    }
    edges
}
