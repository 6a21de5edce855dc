//! Which environment variables dbt gets: an allow-list, what the project asks for, and what the operator adds.

/// What any program needs, and what dbt's own settings and Python need.
const NAMES: [&str; 24] = [
    "ALL_PROXY",
    "APPDATA",
    "CONDA_PREFIX",
    "CURL_CA_BUNDLE",
    "DYLD_LIBRARY_PATH",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "JAVA_HOME",
    "LANG",
    "LANGUAGE",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "NO_PROXY",
    "ODBCINI",
    "ODBCSYSINI",
    "PATH",
    "PYTHONPATH",
    "SHELL",
    "TEMP",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
];

/// Families of variables: dbt's own, and those by which the adapters' libraries find their credentials.
const PREFIXES: [&str; 26] = [
    "AWS_",
    "ARM_",
    "AZURE_",
    "CLICKHOUSE_",
    "CLOUDSDK_",
    "DATABRICKS_",
    "DBT_",
    "DUCKDB_",
    "GCP_",
    "GOOGLE_",
    "IDENTITY_",
    "KRB5",
    "LC_",
    "MOTHERDUCK_",
    "MSI_",
    "ORACLE_",
    "PG",
    "POSTGRES_",
    "REDSHIFT_",
    "REQUESTS_",
    "SNOWFLAKE_",
    "SPARK_",
    "SSL_",
    "TRINO_",
    "VIRTUAL_ENV",
    "XDG_",
];

/// Parts of names whose values are kept out of every log.
const SECRET_PARTS: [&str; 13] = [
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "TOKEN",
    "PRIVATE_KEY",
    "API_KEY",
    "ACCESS_KEY",
    "CREDENTIAL",
    "PASSCODE",
    "ACCOUNT_KEY",
    "STORAGE_KEY",
    "CONNECTION_STRING",
];

/// Whether a variable of the host's own environment is passed on to dbt. `wanted` are the names that the project reads;
/// `extra` what the operator lists, where a name may end in `*`.
pub fn passes<'a>(name: &str, mut wanted: impl Iterator<Item = &'a str>, extra: &[String]) -> bool {
    // The newer prefix of dbt's settings wins over the one that Tidegate sets, and an unknown name with it is an error
    // in some versions: it is left out as a whole.
    if name.starts_with("DBT_ENGINE_") {
        return false;
    }
    let upper = name.to_ascii_uppercase();
    NAMES.contains(&upper.as_str())
        || PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
        || wanted.any(|w| w == name)
        || extra.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == pattern,
        })
}

/// Whether the value of a variable is a secret, by its name.
pub fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    // `PWD` and `OLDPWD` are folders.
    SECRET_PARTS.iter().any(|part| upper.contains(part))
        || ["_PWD", "_PASS"].iter().any(|end| upper.ends_with(end))
}

/// Settings that Tidegate makes for dbt, so that it sees everything that dbt says and finds what dbt writes.
const OWN_SETTINGS: [&str; 14] = [
    "DEBUG",
    "LOG_FORMAT",
    "LOG_FORMAT_FILE",
    "LOG_LEVEL",
    "LOG_LEVEL_FILE",
    "LOG_PATH",
    "PRINT",
    "PROFILES_DIR",
    "PROJECT_DIR",
    "QUIET",
    "TARGET_PATH",
    "USE_COLORS",
    "USE_COLORS_FILE",
    "WRITE_JSON",
];

/// Why a variable cannot be set for dbt.
pub fn refuse_variable(name: &str, value: &str) -> Option<&'static str> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Some("it cannot be the name of an environment variable");
    }
    if value.contains('\0') {
        return Some("a NUL cannot be part of its value");
    }
    // From dbt 1.12 on, each setting has a second name, which wins.
    let setting = name.strip_prefix("DBT_ENGINE_").or(name.strip_prefix("DBT_"))?;
    OWN_SETTINGS.contains(&setting).then_some("it is Tidegate's to set: it reads dbt's log and artifacts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes() {
        let extra = ["SHOP_*".to_owned(), "EXACT".to_owned()];
        let passes = |name| passes(name, ["WANTED"].into_iter(), &extra);
        for name in
            ["PATH", "https_proxy", "AWS_PROFILE", "DBT_ENV_SECRET_X", "WANTED", "SHOP_DUCKDB", "EXACT"]
        {
            assert!(passes(name), "{name}");
        }
        for name in ["LD_PRELOAD", "DBT_ENGINE_TARGET_PATH", "EXACTLY", "TIDEGATE_STATE_DIR", "SLACK_WEBHOOK"]
        {
            assert!(!passes(name), "{name}");
        }
        // What a service manager tells the host is not for dbt: it could speak in the host's name.
        for name in
            ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "JOURNAL_STREAM"]
        {
            assert!(!passes(name), "{name}");
        }
    }

    #[test]
    fn what_may_be_set() {
        for name in ["SHOP_DUCKDB", "DBT_FAIL_FAST", "DBT_ENGINE_THREADS", "DBT_ENV_SECRET_X"] {
            assert_eq!(refuse_variable(name, "x"), None, "{name}");
        }
        for name in ["", "A=B", "A\0", "DBT_TARGET_PATH", "DBT_ENGINE_LOG_FORMAT", "DBT_PROFILES_DIR"] {
            assert!(refuse_variable(name, "x").is_some(), "{name}");
        }
        assert!(refuse_variable("A", "x\0").is_some());
    }

    #[test]
    fn what_is_secret() {
        assert!(is_secret_name("DBT_ENV_SECRET_PW") && is_secret_name("snowflake_password"));
        assert!(is_secret_name("SHOP_PWD") && is_secret_name("DB_PASS") && !is_secret_name("PWD"));
        assert!(is_secret_name("motherduck_token") && !is_secret_name("DBT_TARGET"));
    }
}
