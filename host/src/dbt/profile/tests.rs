use super::*;

const PROJECT: &str = "name: shop\nprofile: shop\n";
const PROFILE: &str = "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn call(&self, args: &[&str], env: &[(&str, &str)]) -> Invocation {
        Invocation {
            program: "dbt".into(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            cwd: self.path().join("project"),
            env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    /// The files, relative to the folder; or the error and its hint.
    fn files(&self, args: &[&str], env: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let root = self.path();
        let relative = |file: PathBuf| file.strip_prefix(&root).unwrap().display().to_string();
        duckdb_files(&self.call(args, env))
            .map(|files| files.into_iter().map(relative).collect())
            .map_err(|error| format!("{error}; {}", error.hint()).replace(&*root.to_string_lossy(), "ROOT"))
    }
}

fn with_profile(profile: &str) -> Folder {
    Folder::new(&[("project/dbt_project.yml", PROJECT), ("project/profiles.yml", profile)])
}

#[test]
fn the_profile_is_looked_for_where_dbt_looks() {
    let named = |file: &str| PROFILE.replace("shop.duckdb", file);
    let folder = Folder::new(&[
        ("project/dbt_project.yml", PROJECT),
        ("home/.dbt/profiles.yml", &named("home.duckdb")),
        ("else/profiles.yml", &named("else.duckdb")),
    ]);
    let home = folder.path().join("home").display().to_string();
    let home = ("HOME", home.as_str());
    assert_eq!(folder.files(&["build"], &[home]).unwrap(), ["project/home.duckdb"]);
    assert_eq!(folder.files(&["build"], &[home, ("DBT_PROFILES_DIR", "")]).unwrap(), ["project/home.duckdb"]);
    assert_eq!(
        folder.files(&["build"], &[home, ("DBT_PROFILES_DIR", "../else")]).unwrap(),
        ["project/else.duckdb"]
    );
    assert_eq!(folder.files(&["build", "--profiles-dir", "../else"], &[]).unwrap(), ["project/else.duckdb"]);
    assert!(folder.files(&["build"], &[]).unwrap_err().contains("no HOME"));
    fs::write(folder.path().join("project/profiles.yml"), named("own.duckdb")).unwrap();
    assert_eq!(folder.files(&["build"], &[home]).unwrap(), ["project/own.duckdb"]);
}

#[test]
fn other_adapters_and_commands_open_no_file() {
    let postgres = "shop: {target: dev, outputs: {dev: {type: postgres, host: \"{{ env_var('GONE') }}\"}}}";
    assert!(with_profile(postgres).files(&["build"], &[]).unwrap().is_empty());
    assert!(with_profile("[").files(&["deps"], &[]).unwrap().is_empty());
    assert_eq!(with_profile(PROFILE).files(&["test", "-s", "deps"], &[]).unwrap(), ["project/shop.duckdb"]);
}

#[test]
fn the_catalogue_of_a_lake_is_a_file() {
    for (lines, files) in [
        ("path: 'ducklake:meta.ducklake'", vec!["project/meta.ducklake"]),
        ("path: 'ducklake:sqlite:meta.db'", vec!["project/meta.db"]),
        ("path: 'ducklake:postgres:dbname=x'", vec![]),
        ("path: 'md:lake', is_ducklake: true", vec![]),
        ("attach: [{path: 'ducklake:../l.db', options: {data_path: 's3://b'}}]", vec!["l.db"]),
    ] {
        let profile = format!("shop: {{target: dev, outputs: {{dev: {{type: duckdb, {lines}}}}}}}");
        assert_eq!(with_profile(&profile).files(&["build"], &[]).unwrap(), files, "{lines}");
    }
}

#[test]
fn what_a_newer_dbt_may_read_elsewhere_is_not_guessed() {
    let profile =
        "shop: {outputs: {default: {type: duckdb, path: \"{{ env_var('F', 'f') }}{{ var('v', 'v') }}\"}}}";
    let folder = with_profile(profile);
    assert_eq!(folder.files(&["build"], &[]).unwrap(), ["project/fv"]);
    fs::write(folder.path().join("project/.env"), "# F=x\nFF=1\nDBT_TARGET_PATH=t\n").unwrap();
    assert_eq!(folder.files(&["build"], &[]).unwrap(), ["project/fv"]);
    fs::write(folder.path().join("project/.env"), "export F=x\n").unwrap();
    assert!(folder.files(&["build"], &[]).unwrap_err().contains(".env"));
    assert_eq!(folder.files(&["build"], &[("F", "y")]).unwrap(), ["project/yv"]);
    fs::write(folder.path().join("project/.env"), "DBT_TARGET=prod\n").unwrap();
    assert!(folder.files(&["build"], &[("F", "y")]).unwrap_err().contains(".env"));
    fs::remove_file(folder.path().join("project/.env")).unwrap();
    fs::write(folder.path().join("project/vars.yml"), "vars: {v: x}\n").unwrap();
    assert!(folder.files(&["build"], &[]).unwrap_err().contains("vars.yml"));
    assert_eq!(folder.files(&["build", "--vars", "v: z"], &[]).unwrap(), ["project/fz"]);
}

#[test]
fn errors_name_the_file_and_the_key_and_never_a_value() {
    let output = |output: &str| format!("shop: {{target: dev, outputs: {{dev: {output}}}}}");
    let env = [("DBT_ENV_SECRET_X", "hush"), ("PASSWORD", "hush")];
    let said = [
        ("shop: [", vec!["build"]),
        ("a: 1\na: \"\\q hush\"", vec!["build"]),
        ("other: {}", vec!["build"]),
        (PROFILE, vec!["build", "-t", "prod"]),
        (PROFILE, vec!["build", "--vars", "hush"]),
        (PROFILE, vec!["build", "--vars", "{a: hush"]),
        (&output("{type: duckdb, path: \"{{ env_var('GONE') }}\"}"), vec!["build"]),
        (&output("{type: duckdb, path: \"{{ env_var('PASSWORD') | int }}\"}"), vec!["build"]),
        (&output("{type: duckdb, path: \"{{ env_var('DBT_ENV_SECRET_X') }}:x\"}"), vec!["build"]),
        (&output("{type: duckdb, path: \"{{ env_var('PASSWORD') | as_bool }}\"}"), vec!["build"]),
        (&output("{type: duckdb, attach: [{path: a, type: hush}]}"), vec!["build"]),
        ("shop: {target: \"{{ env_var('DBT_ENV_SECRET_X') }}\", outputs: {}}", vec!["build"]),
    ]
    .map(|(profile, args)| with_profile(profile).files(&args, &env).unwrap_err());
    for error in &said {
        assert!(!error.contains("hush"), "{error}");
    }
    insta::assert_snapshot!(said.join("\n"));
    let nothing = Folder::new(&[("project/x", "")]);
    let error = nothing.files(&["build"], &[]).unwrap_err();
    assert!(
        error.starts_with("cannot read ROOT/project/dbt_project.yml: ") && error.contains("profiles_dir"),
        "{error}"
    );
}

#[test]
fn the_sources_are_all_files_whose_change_may_change_the_answer() {
    let folder = with_profile(PROFILE);
    let sources = |args: &[&str], env: &[(&str, &str)]| -> Vec<String> {
        let root = folder.path();
        let files = profile_sources(&folder.call(args, env));
        files.iter().map(|file| file.strip_prefix(&root).unwrap_or(file).display().to_string()).collect()
    };
    assert_eq!(
        sources(&["build"], &[("HOME", "/no/home")]),
        [
            "project/dbt_project.yml",
            "project/profiles.yml",
            "/no/home/.dbt/profiles.yml",
            "project/.env",
            "project/vars.yml"
        ]
    );
    assert_eq!(
        sources(&["build"], &[("DBT_PROFILES_DIR", "/p"), ("HOME", "/no/home")]),
        ["project/dbt_project.yml", "/p/profiles.yml", "project/.env", "project/vars.yml"]
    );
}

#[test]
fn a_huge_profile_is_refused() {
    let huge = format!("{PROFILE}#{}", "x".repeat(5 * 1024 * 1024));
    assert!(with_profile(&huge).files(&["build"], &[]).unwrap_err().contains("larger"));
}
