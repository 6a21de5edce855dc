use super::*;

fn rendered(text: &str) -> Result<Yaml, String> {
    let env = [
        ("DIR", "/data"),
        ("EMPTY", ""),
        ("N", "5"),
        ("YES", "True"),
        ("DBT_ENV_SECRET_P", "hush"),
        ("DBT_ENV_SECRET_Q", "hush"),
        ("DBT_ENV_PRIVATE_X", "x"),
    ];
    let vars = [
        ("env", Yaml::Text("prod".to_owned())),
        ("n", Yaml::Int(7)),
        ("flag", Yaml::Bool(true)),
        ("odd", Yaml::Odd),
        ("nested", Yaml::Text("{{ 1 }}".to_owned())),
    ];
    let env = env.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let vars = vars.map(|(k, v)| (k.to_owned(), v)).into();
    Renderer::new(env, vars, "HIDDEN=1", false).value(&Yaml::Text(text.to_owned()))
}

#[test]
fn templates_are_rendered_as_dbt_does() {
    for (template, text) in [
        ("plain\n", "plain"),
        ("{ not: jinja }", "{ not: jinja }"),
        ("{{ env_var('DIR') }}/a.duckdb", "/data/a.duckdb"),
        ("{{ env_var('GONE', 'x') }}", "x"),
        ("{{ env_var('GONE', default='x') }}", "x"),
        ("{{ env_var('EMPTY', 'x') }}", ""),
        ("{{ env_var('EMPTY') or 'x' }}", "x"),
        ("{{ var('env') | upper }}", "PROD"),
        ("{{ var('gone', 'x').replace('x', 'y') }}", "y"),
        ("a{{ var('n') }}", "a7"),
        ("a{{ var('flag') }}", "aTrue"),
        ("{{ env_var('DIR') ~ '/' ~ var('env') }}", "/data/prod"),
        ("{% if var('flag') %}a{% else %}b{% endif %}", "a"),
        ("{% set x = 'a' %}{{ x }}", "a"),
        ("{# why #}a", "a"),
        ("{{ '}}' }}", "}}"),
        ("{{ env_var('DBT_ENV_SECRET_P') }}!", "hush!"),
        ("{{ env_var('DBT_ENV_SECRET_P') | upper }}", "hush"),
        ("{{ env_var('DBT_ENV_SECRET_P')[:6] }}", "$$$DBT"),
        ("{{ env_var('N') | as_text }}", "5"),
        ("{{ env_var('DIR') | as_native }}", "/data"),
        ("{{ var('env')[:2] }}", "pr"),
    ] {
        assert_eq!(rendered(template), Ok(Yaml::Text(text.to_owned())), "{template}");
    }
    assert_eq!(rendered("{{ var('n') }}"), Ok(Yaml::Int(7)));
    assert_eq!(rendered("{{ var('flag') }}"), Ok(Yaml::Bool(true)));
    assert_eq!(rendered("{{ env_var('N') | as_number }}"), Ok(Yaml::Int(5)));
    assert_eq!(rendered("{{ env_var('YES') | as_bool }}"), Ok(Yaml::Bool(true)));
}

#[test]
fn what_dbt_might_render_otherwise_is_refused() {
    let refused = [
        "{{ env_var('GONE') }}",
        "{{ env_var('GONE', none) }}",
        "{{ env_var('HIDDEN', 'x') }}",
        "{{ env_var('DBT_ENV_PRIVATE_X') }}",
        "{{ var('gone') }}",
        "{{ var('odd') }}",
        "{{ var('nested') }}",
        "{{ 'a' ~ var('flag') }}",
        "{{ 'a' ~ (1 == 1) }}",
        "{{ 1.5 }}",
        "{{ [1] }}",
        "{{ gone }}",
        "{{ modules.datetime.datetime.now() }}",
        "{{ 'a' | capitalize }}",
        "{{ 'a'.title() }}",
        "{{ 'a\\n' }}",
        "{{ env_var('N') | as_number }}.duckdb",
        "{{ (env_var('N') | as_number) + 1 }}",
        "{{ env_var('DIR') | as_bool }}",
        "{{ env_var('DBT_ENV_SECRET_P') }}{{ env_var('DBT_ENV_SECRET_Q') }}",
        "{{ env_var('DBT_ENV_SECRET_P')[20:40] }}",
        "{{ env_var('DBT_ENV_SECRET_P') | int }}",
        "{{ env_var('DIR'",
        "{% if %}",
    ];
    for template in refused {
        let error = rendered(template).unwrap_err();
        assert!(!error.contains("hush") && !error.contains("/data"), "{template}: {error}");
    }
    insta::assert_snapshot!(
        refused.map(|template| format!("{template}: {}", rendered(template).unwrap_err())).join("\n")
    );
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let digits = "'0123456789'";
    let loops = "{% for a in x %}".replace('x', digits).repeat(6) + &"{% endfor %}".repeat(6);
    assert!(rendered(&loops).is_err());
}
