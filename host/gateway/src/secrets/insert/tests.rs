use super::*;
use proptest::prelude::*;

const FIRST: &str = "sandbox-net-secret-00000000000000000000000000000001";
const SECOND: &str = "sandbox-net-secret-00000000000000000000000000000002";
const VALUE: &str = "a/b+c&d=é";

/// A secret with names of places; an empty list of names is no place.
struct Secret {
    placeholder: &'static str,
    value: SecretValue,
    headers: Vec<String>,
    query: Vec<String>,
    basic: bool,
    granted: bool,
}

fn secret(placeholder: &'static str, value: &str) -> Secret {
    Secret {
        placeholder,
        value: SecretValue::new(value.replace('é', "%e9")).unwrap(),
        headers: vec!["authorization".into(), "x-api-key".into()],
        query: vec!["api key".into(), "token".into()],
        basic: true,
        granted: true,
    }
}

/// What became of a path and its fields.
type Inserted = (Result<Vec<usize>, usize>, String, Vec<String>);

fn run(secrets: &[Secret], path: &str, fields: &[(&str, &str)]) -> Inserted {
    let uses: Vec<Use<'_>> = secrets
        .iter()
        .map(|secret| Use {
            placeholder: secret.placeholder,
            value: secret.value.clone(),
            places: Places {
                headers: &secret.headers,
                query: &secret.query,
                basic: secret.basic,
            },
            granted: secret.granted,
        })
        .collect();
    let mut path = path.as_bytes().to_vec();
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = fields
        .iter()
        .map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()))
        .collect();
    let result = insert(&mut path, &mut fields, &uses);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        result,
        text(path),
        fields.into_iter().map(|(_, value)| text(value)).collect(),
    )
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", BASE64.encode(credentials))
}

#[test]
fn a_placeholder_in_a_named_header_is_replaced_wherever_it_stands_in_the_value() {
    let secrets = [secret(FIRST, "value-one")];
    for (name, value, expected) in [
        ("Authorization", "Bearer {}", "Bearer value-one"),
        ("X-API-Key", "{}", "value-one"),
        ("x-api-key", "{}{};{}", "value-onevalue-one;value-one"),
        ("x-other", "{}", "{}"),
        ("x-api-key-2", "{}", "{}"),
        ("x-api-key", "SANDBOX-{}", "SANDBOX-value-one"),
    ] {
        let [value, expected] = [value, expected].map(|text| text.replace("{}", FIRST));
        let indexes = if value == expected { vec![] } else { vec![0] };
        let fields = [(name, value.as_str())];
        assert_eq!(
            run(&secrets, "/", &fields),
            (Ok(indexes), "/".into(), vec![expected])
        );
    }
}

#[test]
fn a_placeholder_in_a_named_query_parameter_is_replaced_by_the_encoded_value() {
    let secrets = [secret(FIRST, VALUE)];
    let encoded = "a%2Fb%2Bc%26d%3D%25e9";
    let hidden = FIRST.replace('-', "%2d").replace('s', "%73");
    for (path, expected) in [
        ("/{}?token={}", "/{}?token=[]"),
        ("/?a=%7e&token=x+{}%zz&b=+", "/?a=%7e&token=x+[]%zz&b=+"),
        (
            "/?t%6Fken={}&tokens={}&Token={}",
            "/?t%6Fken=[]&tokens={}&Token={}",
        ),
        (
            "/?api+key={}{}&api%20key=={}",
            "/?api+key=[][]&api%20key==[]",
        ),
        ("/?token=%2f<>%2f", "/?token=%2f[]%2f"),
        ("/?{}&{}=token&token", "/?{}&{}=token&token"),
        ("/token={}", "/token={}"),
        ("/?a=1;token={}", "/?a=1;token={}"),
        ("/?a=b#&token={}", "/?a=b#&token={}"),
        ("/#?token={}", "/#?token={}"),
        ("/??token={}", "/??token={}"),
        ("?token={}", "?token=[]"),
        ("", ""),
    ] {
        let path = path.replace("{}", FIRST).replace("<>", &hidden);
        let expected = expected.replace("{}", FIRST).replace("[]", encoded);
        let indexes = if path == expected { vec![] } else { vec![0] };
        assert_eq!(run(&secrets, &path, &[]), (Ok(indexes), expected, vec![]));
    }
}

#[test]
fn a_placeholder_in_basic_credentials_is_replaced_in_the_user_name_and_the_password() {
    let mut secrets = [secret(FIRST, VALUE)];
    secrets[0].headers.clear();
    let decoded = secrets[0].value.expose().to_vec();
    let decoded = str::from_utf8(&decoded).unwrap();
    for credentials in ["user:{}", "{}:", "{}:{}", "{}"] {
        let field = basic(&credentials.replace("{}", FIRST));
        let bare = field.trim_end_matches('=').replace("Basic ", "bAsIc  ");
        let expected = basic(&credentials.replace("{}", decoded));
        let fields = [("Authorization", field.as_str()), ("authorization", &bare)];
        let (result, _, values) = run(&secrets, "/", &fields);
        assert_eq!(result, Ok(vec![0]));
        assert_eq!(
            values,
            [expected.clone(), expected.replace("Basic ", "bAsIc  ")]
        );
    }
}

#[test]
fn credentials_that_are_not_basic_or_cannot_be_decoded_are_left_alone() {
    let field = basic(&format!("user:{FIRST}"));
    let mut secrets = [secret(FIRST, VALUE)];
    secrets[0].headers.clear();
    for (name, value) in [
        ("authorization", field.replace("Basic ", "Basic")),
        ("authorization", field.replace("Basic ", "Bearer ")),
        ("authorization", field.replace("Basic ", "Basic !")),
        ("authorization", format!("Basic user:{FIRST}")),
        ("authorization", "Basic".into()),
        (
            "authorization",
            basic("user:password").trim_end_matches('=').into(),
        ),
        ("proxy-authorization", field.clone()),
    ] {
        let fields = [(name, value.as_str())];
        assert_eq!(
            run(&secrets, "/", &fields),
            (Ok(vec![]), "/".into(), vec![value.clone()])
        );
    }
    secrets[0].basic = false;
    let fields = [("authorization", field.as_str())];
    assert_eq!(run(&secrets, "/", &fields).0, Ok(vec![]));
}

#[test]
fn an_inserted_value_is_not_searched_for_placeholders() {
    let secrets = [secret(FIRST, SECOND), secret(SECOND, FIRST)];
    let both = format!("{FIRST} {SECOND}");
    let swapped = format!("{SECOND} {FIRST}");
    let fields = [
        ("x-api-key", both.as_str()),
        ("authorization", &basic(&both)),
    ];
    let (result, path, values) = run(&secrets, &format!("/?token={FIRST}+{SECOND}"), &fields);
    assert_eq!(result, Ok(vec![0, 1]));
    assert_eq!(path, format!("/?token={SECOND}+{FIRST}"));
    assert_eq!(values, [swapped.clone(), basic(&swapped)]);
    let fields = [("x-api-key", FIRST)];
    assert_eq!(
        run(&secrets, "/", &fields),
        (Ok(vec![0]), "/".into(), vec![SECOND.into()])
    );
}

#[test]
fn of_two_placeholders_at_one_place_the_longer_is_meant_and_an_empty_one_stands_nowhere() {
    let secrets = [
        secret("key", "value-one"),
        secret("key-2", "value-two"),
        secret("", VALUE),
    ];
    let fields = [("x-api-key", "key-2 key")];
    let expected = (
        Ok(vec![0, 1]),
        "/".into(),
        vec!["value-two value-one".into()],
    );
    assert_eq!(run(&secrets, "/", &fields), expected);
}

#[test]
fn occurrences_of_one_placeholder_do_not_overlap() {
    let fields = [("x-api-key", "xxx")];
    let expected = (Ok(vec![0]), "/".into(), vec!["value-onex".into()]);
    assert_eq!(run(&[secret("xx", "value-one")], "/", &fields), expected);
}

#[test]
fn each_secret_is_inserted_in_its_own_places_only() {
    let mut secrets = [secret(FIRST, "value-one"), secret(SECOND, "value-two")];
    secrets[0].headers = vec!["x-one".into()];
    secrets[1].headers = vec!["X-Two".into()];
    let both = format!("{FIRST},{SECOND}");
    let fields = [("x-one", both.as_str()), ("x-two", &both)];
    let (result, _, values) = run(&secrets, "/", &fields);
    assert_eq!(result, Ok(vec![0, 1]));
    assert_eq!(
        values,
        [format!("value-one,{SECOND}"), format!("{FIRST},value-two")]
    );
}

#[test]
fn a_placeholder_that_is_not_granted_is_refused_in_its_places_and_left_elsewhere() {
    let query = format!("/?token={FIRST}");
    let credentials = basic(&format!("user:{FIRST}"));
    for (path, field, refused) in [
        (query.as_str(), ("x-other", ""), true),
        ("/", ("x-api-key", FIRST), true),
        ("/", ("authorization", credentials.as_str()), true),
        ("/", ("x-other", FIRST), false),
        (FIRST, ("x-other", ""), false),
    ] {
        let mut secrets = [secret(SECOND, "value-two"), secret(FIRST, "value-one")];
        secrets[1].granted = false;
        let fields = [field, ("x-api-key", SECOND)];
        let (result, changed, values) = run(&secrets, path, &fields);
        assert_eq!(changed, path);
        assert_eq!(values[0], field.1);
        if refused {
            assert_eq!((result, values[1].as_str()), (Err(1), SECOND));
        } else {
            assert_eq!((result, values[1].as_str()), (Ok(vec![0]), "value-two"));
        }
    }
}

#[test]
fn the_first_of_several_refused_uses_is_named() {
    let mut secrets = [secret(FIRST, "value-one"), secret(SECOND, "value-two")];
    secrets.iter_mut().for_each(|secret| secret.granted = false);
    let fields = [("x-api-key", SECOND), ("x-api-key", FIRST)];
    assert_eq!(
        run(&secrets, &format!("/?token={SECOND}"), &fields).0,
        Err(0)
    );
    assert_eq!(run(&secrets, "/", &fields[..1]).0, Err(1));
}

proptest! {
    #[test]
    fn a_request_without_a_placeholder_is_not_changed(
        path in "/[ -~é]{0,20}\\?((token|api\\+key|[a-z%=&#]{1,4})=[ -~]{0,9}&){0,4}",
        fields in prop::collection::vec(
            ("(x-api-key|Authorization|[a-z]{1,5})", "((Basic )?[a-zA-Z0-9+/]{0,16}=?|[ -~é]{0,30})"),
            0..4,
        ),
        granted: bool,
    ) {
        let mut secrets = [secret(FIRST, "value-one"), secret(SECOND, "value-two")];
        secrets[0].granted = granted;
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let values = fields.iter().map(|(_, value)| (*value).into()).collect();
        prop_assert_eq!(run(&secrets, &path, &fields), (Ok(vec![]), path.clone(), values));
    }

    #[test]
    fn a_server_that_decodes_the_query_or_the_credentials_reads_the_value(
        value in "[!-~]{8,40}", before in "[a-z+]{0,5}", after in "[a-z+]{0,5}",
    ) {
        let secrets = [secret(FIRST, &value)];
        let path = format!("/?token={before}{FIRST}{after}");
        let field = basic(&format!("{before}{FIRST}{after}"));
        let (result, path, values) = run(&secrets, &path, &[("authorization", &field)]);
        prop_assert_eq!(result, Ok(vec![0]));
        let read = percent::decode_query(path.strip_prefix("/?token=").unwrap().as_bytes()).bytes;
        let spaces = |text: &str| text.replace('+', " ");
        let expected = format!("{}{value}{}", spaces(&before), spaces(&after));
        prop_assert_eq!(String::from_utf8(read).unwrap(), expected);
        prop_assert_eq!(&values[0], &basic(&format!("{before}{value}{after}")));
    }
}
