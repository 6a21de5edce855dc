//! Real files, changed as editors, version control and container platforms change them.

use std::{fs, os::unix::fs::symlink, sync::mpsc};

use super::*;

/// Soon, and yet apart for what is written apart. What is not told soon is never told by itself.
const PACE: Pace = Pace {
    quiet: Duration::from_millis(150),
    longest: Duration::from_secs(2),
    poll: Duration::from_secs(3600),
};

/// Longer than any change takes to be told: only a test that fails waits for it.
const NEVER: Duration = Duration::from_secs(30);

struct Place {
    dir: tempfile::TempDir,
    told: mpsc::Receiver<Changed>,
    watcher: Option<Watcher>,
}

impl Place {
    /// A configuration and a project `shop` beside it.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Self { dir, told: mpsc::channel().1, watcher: None };
        place.write("tidegate.toml", "");
        place.write("shop/models/a.sql", "select 1");
        place.write("shop/target/manifest.json", "{}");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn watched(&self) -> Watched {
        let shop = Sources { folders: [self.path("shop")].into(), files: BTreeSet::new() };
        Watched {
            config: self.path("tidegate.toml"),
            projects: [("shop".to_owned(), shop)].into(),
            never: [self.path("shop/state")].into(),
        }
    }

    fn watch(self) -> Self {
        let watched = self.watched();
        self.watch_at(PACE, watched)
    }

    fn watch_at(mut self, pace: Pace, watched: Watched) -> Self {
        let (tell, told) = mpsc::channel();
        self.watcher = Some(Watcher::start_at(pace, watched, move |changed| _ = tell.send(changed)).unwrap());
        self.told = told;
        self
    }

    /// Everything that is told up to now: the configuration is changed, and told last.
    fn told(&self) -> Vec<Changed> {
        // Longer than it has to be quiet: what was done before is told apart from this.
        thread::sleep(PACE.quiet * 3);
        let text = fs::read_to_string(self.path("tidegate.toml")).unwrap();
        self.write("tidegate.toml", &(text + "#"));
        let mut all = Vec::new();
        loop {
            let changed = self.told.recv_timeout(NEVER).expect("the last change is told");
            if changed.config {
                if !changed.projects.is_empty() {
                    all.push(Changed { config: false, ..changed });
                }
                return all;
            }
            all.push(changed);
        }
    }

    fn next(&self) -> Changed {
        self.told.recv_timeout(NEVER).expect("a change is told")
    }
}

fn config() -> Changed {
    Changed { config: true, projects: BTreeSet::new() }
}

fn shop() -> Changed {
    Changed { config: false, projects: ["shop".to_owned()].into() }
}

#[test]
fn a_file_that_is_edited_in_place_has_changed() {
    let place = Place::new().watch();
    place.write("tidegate.toml", "[projects.shop]");
    assert_eq!(place.next(), config());
    place.write("shop/models/a.sql", "select 2");
    assert_eq!(place.next(), shop());
    place.write("shop/dbt_project.yml", "name: shop");
    assert_eq!(place.next(), shop());
    fs::remove_file(place.path("shop/models/a.sql")).unwrap();
    assert_eq!(place.next(), shop());
    assert_eq!(place.told(), []);
}

#[test]
fn a_file_that_is_replaced_by_another_has_changed_each_time() {
    let place = Place::new().watch();
    for text in ["one", "two", "six"] {
        place.write(".tidegate.toml.swp", text);
        fs::rename(place.path(".tidegate.toml.swp"), place.path("tidegate.toml")).unwrap();
        assert_eq!(place.next(), config(), "{text}");
        place.write("shop/models/a.sql~", text);
        fs::rename(place.path("shop/models/a.sql~"), place.path("shop/models/a.sql")).unwrap();
        assert_eq!(place.next(), shop(), "{text}");
    }
    fs::remove_file(place.path("tidegate.toml")).unwrap();
    assert_eq!(place.next(), config());
    place.write("tidegate.toml", "again");
    assert_eq!(place.next(), config());
}

#[test]
fn a_config_map_changes_by_the_swap_of_a_link() {
    let place = Place::new();
    for version in ["..1", "..2", "..3"] {
        place.write(&format!("etc/{version}/tidegate.toml"), "same");
    }
    symlink("..1", place.path("etc/..data")).unwrap();
    symlink("..data/tidegate.toml", place.path("etc/tidegate.toml")).unwrap();
    symlink(place.path("etc/tidegate.toml"), place.path("link.toml")).unwrap();
    let watched = Watched { config: place.path("link.toml"), ..place.watched() };
    let place = place.watch_at(PACE, watched);
    for version in ["..2", "..3"] {
        symlink(version, place.path("etc/..data_tmp")).unwrap();
        fs::rename(place.path("etc/..data_tmp"), place.path("etc/..data")).unwrap();
        assert_eq!(place.next(), config(), "{version}");
    }
    // The file that is meant now is the one that is heard.
    place.write("etc/..3/tidegate.toml", "edited");
    assert_eq!(place.next(), config());
}

#[test]
fn a_project_changes_by_the_swap_of_a_link_to_a_checkout() {
    let place = Place::new();
    for version in ["rev-1", "rev-2"] {
        place.write(&format!("{version}/shop/models/a.sql"), "select 1");
    }
    symlink("rev-1", place.path("current")).unwrap();
    let mut watched = place.watched();
    watched.projects.get_mut("shop").unwrap().folders = [place.path("current/shop")].into();
    let place = place.watch_at(PACE, watched);
    symlink("rev-2", place.path("next")).unwrap();
    fs::rename(place.path("next"), place.path("current")).unwrap();
    assert_eq!(place.next(), shop());
    place.write("rev-2/shop/models/b.sql", "select 2");
    assert_eq!(place.next(), shop());
    place.write("rev-1/shop/models/b.sql", "select 2");
    place.write("rev-2/shop/models/b.sql", "select 33");
    assert_eq!(place.next(), shop());
}

#[test]
fn folders_that_come_and_go_are_watched() {
    let place = Place::new().watch();
    place.write("shop/models/marts/core/b.sql", "select 2");
    assert_eq!(place.next(), shop());
    place.write("shop/models/marts/core/b.sql", "select 3, 3");
    assert_eq!(place.next(), shop());
    fs::rename(place.path("shop/models/marts"), place.path("shop/models/gold")).unwrap();
    assert_eq!(place.next(), shop());
    place.write("shop/models/gold/core/b.sql", "select 4, 4, 4");
    assert_eq!(place.next(), shop());
    // Another folder in the place of one that went.
    fs::remove_dir_all(place.path("shop/models")).unwrap();
    assert_eq!(place.next(), shop());
    place.write("shop/models/c.sql", "select 5");
    assert_eq!(place.next(), shop());
    place.write("shop/models/c.sql", "select 6, 6");
    assert_eq!(place.next(), shop());
}

#[test]
fn a_project_that_is_not_there_yet_is_seen_when_it_comes() {
    let place = Place::new();
    let mut watched = place.watched();
    let zoo = Sources {
        folders: [place.path("later/on/zoo")].into(),
        files: [place.path("plugins/owners.wasm")].into(),
    };
    watched.projects.insert("zoo".to_owned(), zoo);
    let place = place.watch_at(PACE, watched);
    let zoo = Changed { config: false, projects: ["zoo".to_owned()].into() };
    place.write("later/on/zoo/dbt_project.yml", "name: zoo");
    assert_eq!(place.next(), zoo);
    place.write("later/on/zoo/models/a.sql", "select 1");
    assert_eq!(place.next(), zoo);
    place.write("plugins/owners.wasm", "\0asm");
    assert_eq!(place.next(), zoo);
}

#[test]
fn what_dbt_and_tools_write_is_no_change() {
    let place = Place::new();
    place.write("shop/venv/pyvenv.cfg", "");
    place.write("shop/state/x.sql", "");
    let place = place.watch();
    for name in [
        "shop/target/compiled/a.sql",
        "shop/target/manifest.json",
        "shop/logs/dbt.log",
        "shop/dbt_packages/utils/models/u.sql",
        "shop/.git/index.sql",
        "shop/venv/lib/x.py",
        "shop/state/projects/x.sql",
        "shop/models/__pycache__/a.py",
        "shop/shop.duckdb",
        "shop/shop.duckdb.wal",
        "shop/models/a.sql.swp",
        "unrelated.toml",
        "tidegate.toml.bak",
    ] {
        place.write(name, "x");
        place.write(name, "xy");
    }
    // It is read, and looked at.
    fs::read(place.path("shop/models/a.sql")).unwrap();
    fs::read_dir(place.path("shop/models")).unwrap().for_each(drop);
    fs::create_dir(place.path("shop/models/empty")).unwrap();
    assert_eq!(place.told(), []);
}

#[test]
fn a_burst_is_told_few_times() {
    let place = Place::new().watch();
    for nth in 0..1000 {
        place.write(&format!("shop/models/m{}.sql", nth % 100), &format!("select {nth}"));
    }
    let told = place.told();
    assert!((1..=5).contains(&told.len()), "{}", told.len());
    assert!(told.iter().all(|changed| *changed == shop()), "{told:?}");
}

#[test]
fn what_never_rests_is_told_all_the_same() {
    let pace = Pace { quiet: Duration::from_secs(3600), longest: Duration::from_millis(200), ..PACE };
    let place = Place::new();
    let watched = place.watched();
    let place = place.watch_at(pace, watched);
    place.write("shop/models/a.sql", "select 2, 2");
    assert_eq!(place.next(), shop());
}

#[test]
fn a_file_of_two_projects_concerns_both() {
    let place = Place::new();
    place.write("zoo/models/z.sql", "");
    symlink("../../shop/models", place.path("zoo/models/shared")).unwrap();
    // And a link in a circle.
    symlink("..", place.path("zoo/models/up")).unwrap();
    let mut watched = place.watched();
    watched
        .projects
        .insert("zoo".to_owned(), Sources { folders: [place.path("zoo")].into(), files: BTreeSet::new() });
    let place = place.watch_at(PACE, watched);
    place.write("shop/models/b.sql", "select 2");
    let both = Changed { config: false, projects: ["shop".to_owned(), "zoo".to_owned()].into() };
    assert_eq!(place.next(), both);
    place.write("zoo/models/shared/b.sql", "select 3, 3");
    assert_eq!(place.next(), both);
}

#[test]
fn what_is_watched_can_change() {
    let place = Place::new();
    place.write("zoo/models/z.sql", "");
    let place = place.watch();
    let mut watched = place.watched();
    let zoo = Sources { folders: [place.path("zoo")].into(), files: BTreeSet::new() };
    watched.projects = [("zoo".to_owned(), zoo)].into();
    place.watcher.as_ref().unwrap().watch(watched);
    assert_eq!(place.told(), []);
    place.write("shop/models/a.sql", "nobody listens");
    place.write("zoo/models/z.sql", "select 2");
    assert_eq!(place.next().projects.into_iter().collect::<Vec<_>>(), ["zoo"]);
}

#[test]
fn where_the_system_says_nothing_files_are_looked_at() {
    let place = Place::new();
    let (tell, told) = mpsc::channel();
    let pace = Pace { poll: Duration::from_millis(20), ..PACE };
    let _watcher = Watcher::start_deaf(pace, place.watched(), move |changed| _ = tell.send(changed)).unwrap();
    place.write("shop/models/new/a.sql", "select 2");
    assert_eq!(told.recv_timeout(NEVER).unwrap(), shop());
    place.write("tidegate.toml", "[projects.shop]");
    assert_eq!(told.recv_timeout(NEVER).unwrap(), config());
}

#[test]
fn what_a_configuration_names_is_watched() {
    let place = Place::new();
    place.write(
        "tidegate.toml",
        "[projects.shop]\ndir = \"shop\"\nprofiles_dir = \"profiles\"\n[projects.shop.translator]\nplugin = \"p/x.wasm\"\n\
         [projects.built]\ndir = \"built\"\nmanifest = \"ci/manifest.json\"\n\
         [projects.built.translator]\nplugin = \"builtin:source-prefix\"\n",
    );
    let config = config::Config::load(&place.path("tidegate.toml"), None).unwrap();
    let watched = Watched::of(&config);
    assert_eq!(watched.config, place.path("tidegate.toml"));
    assert_eq!(watched.never, [place.path(".tidegate")].into());
    let shop = Sources {
        folders: [place.path("shop")].into(),
        files: [place.path("profiles/profiles.yml"), place.path("p/x.wasm")].into(),
    };
    let built = Sources { folders: BTreeSet::new(), files: [place.path("ci/manifest.json")].into() };
    assert_eq!(watched.projects, [("built".to_owned(), built), ("shop".to_owned(), shop)].into());
}
