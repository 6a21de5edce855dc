//! `tidegate init`.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
};

use super::{Common, Exit, Failure, printer};
use crate::{config, dbt};

/// Writes a tidegate.toml.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// The folder to write it into
    #[arg(default_value = ".")]
    dir: PathBuf,
}

impl Init {
    /// Writes the file.
    pub fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir =
            self.dir.canonicalize().map_err(|e| Failure::new(format!("{}: {e}", self.dir.display())))?;
        let file = common.config.clone().unwrap_or_else(|| dir.join(config::FILE_NAME));
        let base =
            file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).canonicalize()?;
        let project = find_project(&dir)?;
        let name = project_name(&project);
        let relative = project.strip_prefix(&base).map(Path::to_owned).unwrap_or(project.clone());
        let text = text(&name, &relative, find_dbt(&project, &base).as_deref());
        let mut created = fs::OpenOptions::new().write(true).create_new(true).open(&file).map_err(|e| {
            if e.kind() == std::io::ErrorKind::AlreadyExists {
                Failure::new(format!("{} is there already, and was left as it is", file.display()))
                    .hint("`tidegate check` says whether it is in order")
            } else {
                Failure::new(format!("{}: {e}", file.display()))
            }
        })?;
        created.write_all(text.as_bytes())?;
        printer::note(format!("wrote {}", file.display()));
        printer::note("next: `tidegate check`, then `tidegate run build`");
        Ok(Exit::Done)
    }
}

/// The dbt project in a folder, or the only one in the folders right below it.
fn find_project(dir: &Path) -> Result<PathBuf, Failure> {
    let is_project = |dir: &Path| dir.join("dbt_project.yml").is_file();
    if is_project(dir) {
        return Ok(dir.to_owned());
    }
    let mut below: Vec<_> =
        fs::read_dir(dir)?.flatten().map(|entry| entry.path()).filter(|path| is_project(path)).collect();
    below.sort();
    match below.len() {
        1 => Ok(below.remove(0)),
        0 => Err(Failure::new(format!("there is no dbt_project.yml in {} or right below it", dir.display()))
            .hint("run it in the folder of your dbt project")),
        _ => Err(Failure::new(format!("there are several dbt projects below {}", dir.display()))
            .hint("run it in the folder of one of them; `[projects.NAME]` can name the others afterwards")),
    }
}

/// The project's own name, in so far as it can be one here; otherwise its folder's.
fn project_name(project: &Path) -> String {
    let text = fs::read_to_string(project.join("dbt_project.yml")).unwrap_or_default();
    let named = text
        .lines()
        .find_map(|line| line.strip_prefix("name:"))
        .map(|rest| rest.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned());
    let folder = project.file_name().map(|name| name.to_string_lossy().into_owned());
    let fits = |name: &String| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    named.filter(fits).or(folder.filter(fits)).unwrap_or_else(|| "project".to_owned())
}

/// A dbt in an environment beside the project, where the PATH has none.
fn find_dbt(project: &Path, base: &Path) -> Option<String> {
    if dbt::find_program(Path::new("dbt"), env::var_os("PATH").as_deref()).is_ok() {
        return None;
    }
    let folders = project.ancestors().take(3);
    let mut candidates =
        folders.flat_map(|dir| [".venv", "venv", "env"].map(|venv| dir.join(venv).join("bin/dbt")));
    let found = candidates.find(|file| file.is_file())?;
    Some(found.strip_prefix(base).unwrap_or(&found).to_string_lossy().into_owned())
}

fn text(name: &str, dir: &Path, dbt: Option<&str>) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let dir = if dir.as_os_str().is_empty() { ".".to_owned() } else { dir.to_string_lossy().into_owned() };
    let dbt = dbt.map(|path| format!("dbt = {}\n", quoted(path))).unwrap_or_default();
    format!(
        "# What Tidegate serves. `tidegate check` finds what is wrong with it.

[projects.{name}]
dir = {dir}
{dbt}
# One job. Its steps are dbt commands as one types them; a step that fails ends the run.
[jobs.build]
description = \"Everything: seeds, snapshots, models and tests.\"
schedule = \"0 6 * * *\"   # every day at 06:00 UTC, while `tidegate serve` runs
steps = [\"dbt build\"]
",
        dir = quoted(&dir),
    )
}
