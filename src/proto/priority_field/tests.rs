use proptest::prelude::*;

use super::*;

fn parsed(value: &str) -> (Option<u8>, Option<bool>) {
    let field = PriorityField::parse(value.as_bytes());
    (field.urgency(), field.incremental())
}

const ABSENT: (Option<u8>, Option<bool>) = (None, None);

#[test]
fn rfc9218_the_examples_of_sections_4_and_8() {
    // Section 4.1: "priority = u=0".
    assert_eq!(parsed("u=0"), (Some(0), None));
    // Section 4.2: "priority = u=5, i".
    assert_eq!(parsed("u=5, i"), (Some(5), Some(true)));
    // Section 8: "priority = u=1".
    assert_eq!(parsed("u=1"), (Some(1), None));
}

#[test]
fn rfc9218_4_what_is_no_dictionary_is_ignored() {
    let invalid = [
        "u=1,",
        ",u=1",
        "u=1,,i",
        "u=1 i",
        "u=",
        "u=1;",
        "u=1, U=2",
        "\tu=1",
        "u=1, x=\"",
        "?1",
        "u=1, x=(",
        "u=1, =2",
        "u=9999999999999999",
        "u=1, x=\u{e9}",
        "u=1;A",
        "u=1, x=:a",
    ];
    for value in invalid {
        assert_eq!(parsed(value), ABSENT, "{value:?}");
    }
    assert_eq!(parsed(""), ABSENT);
    assert_eq!(parsed("   "), ABSENT);
    assert_eq!(PriorityField::parse(b"u=1\0"), PriorityField::default());
}

#[test]
fn rfc9218_4_a_value_out_of_range_is_ignored_by_itself() {
    for urgency in [
        "8",
        "-1",
        "256",
        "263",
        "-0.5",
        "1.0",
        "\"1\"",
        "?1",
        "(1)",
        "a",
        ":AQ==:",
        "@1",
        "%\"1\"",
        "999999999999999",
        "-999999999999999",
    ] {
        assert_eq!(
            parsed(&format!("u={urgency}, i")),
            (None, Some(true)),
            "{urgency}"
        );
    }
    assert_eq!(parsed("u, i"), (None, Some(true)));
    for incremental in ["1", "0", "true", "\"?1\"", "(?1)", "1.0"] {
        assert_eq!(
            parsed(&format!("u=2, i={incremental}")),
            (Some(2), None),
            "{incremental}"
        );
    }
}

#[test]
fn rfc9218_4_parameters_of_other_rfcs_are_ignored() {
    assert_eq!(
        parsed("uu=1, u1, *=(a b);c, i;u=2, x;i"),
        (None, Some(true))
    );
    assert_eq!(
        parsed("  u=07;a=1;b \t , \t i=?0;c  "),
        (Some(7), Some(false))
    );
}

#[test]
fn rfc9651_3_2_of_two_the_last_counts() {
    assert_eq!(parsed("u=1, i, u=2, i=?0"), (Some(2), Some(false)));
    // The last is no urgency, and the first does not count.
    assert_eq!(parsed("u=1, i, u=8"), (None, Some(true)));
    assert_eq!(parsed("u=1, i, i=(?1)"), (Some(1), None));
}

#[test]
fn rfc9110_5_2_lines_are_one_value() {
    let lines = |lines: &[&str]| {
        let field = PriorityField::parse_lines(lines.iter().map(|line| line.as_bytes()));
        (field.urgency(), field.incremental())
    };
    assert_eq!(lines(&[]), ABSENT);
    assert_eq!(lines(&["u=1"]), (Some(1), None));
    assert_eq!(lines(&["u=1, i", "u=2"]), (Some(2), Some(true)));
    assert_eq!(lines(&["u=1", "i", "x"]), (Some(1), Some(true)));
    // One bad line spoils them all, as it does in one line.
    assert_eq!(lines(&["u=1", "i="]), ABSENT);
    assert_eq!(lines(&["x=\"a", "b\", u=4"]), (Some(4), None));
}

#[test]
fn a_huge_field_is_not_read() {
    let longest = |octets: usize| format!("{}u=1", " ".repeat(octets - 3));
    assert_eq!(parsed(&longest(LONGEST)), (Some(1), None));
    assert_eq!(parsed(&longest(LONGEST + 1)), ABSENT);
    let line = "u=1,".repeat(1_000) + "i";
    let lines = |n| PriorityField::parse_lines(std::iter::repeat_n(line.as_bytes(), n));
    assert_eq!(lines(30).urgency(), Some(1));
    assert_eq!(lines(40).urgency(), None);
    // Nothing is read on and on that can no longer count.
    assert_eq!(lines(usize::MAX), PriorityField::default());
}

#[test]
fn rfc9651_3_2_as_many_members_as_any_parser_has_to_take() {
    let mut members: Vec<_> = (0..1_023).map(|i| format!("k{i:063}")).collect();
    members.push(String::from("u=6"));
    assert_eq!(parsed(&members.join(", ")), (Some(6), None));
}

/// A member: how it is written, and what it says.
#[derive(Clone, Debug)]
struct Member {
    key: &'static str,
    value: &'static str,
    /// The urgency or, 0 or 1, whether it is incremental.
    says: Option<u8>,
}

fn member() -> impl Strategy<Value = Member> {
    let urgency = prop_oneof![
        (0..8_u8).prop_map(|u| (
            ["=0", "=1", "=2", "=3", "=4", "=5", "=6", "=7"][usize::from(u)],
            Some(u)
        )),
        prop::sample::select(vec![
            "=8", "=-1", "=1.5", "", "=?0", "=(1 2)", "=\"3\"", "=tok", "=300"
        ])
        .prop_map(|value| (value, None)),
    ]
    .prop_map(|(value, says)| Member {
        key: "u",
        value,
        says,
    });
    let incremental = prop::sample::select(vec![
        ("", Some(1)),
        ("=?1", Some(1)),
        ("=?0", Some(0)),
        ("=1", None),
        ("=()", None),
        ("=x", None),
    ])
    .prop_map(|(value, says)| Member {
        key: "i",
        value,
        says,
    });
    let other = (
        prop::sample::select(vec!["a", "ui", "*x", "i2", "u-u", "u.i"]),
        prop::sample::select(vec!["", "=1", "=:YQ==:", "=\"u=1, i\"", "=(u i);u=1", "=i"]),
    )
        .prop_map(|(key, value)| Member {
            key,
            value,
            says: None,
        });
    prop_oneof![urgency, incremental, other]
}

proptest! {
    #[test]
    fn any_dictionary_says_what_its_last_members_say(
        members in prop::collection::vec(
            (member(), prop::sample::select(vec!["", ";a", ";u=1;i", "; b=2"])),
            0..8,
        ),
        separator in prop::sample::select(vec![",", ", ", " \t,\t "]),
        lines in any::<bool>(),
    ) {
        let text = |(member, parameters): &(Member, &str)| {
            format!("{}{}{parameters}", member.key, member.value)
        };
        let texts: Vec<_> = members.iter().map(text).collect();
        let field = if lines {
            PriorityField::parse_lines(texts.iter().map(String::as_bytes))
        } else {
            PriorityField::parse(texts.join(separator).as_bytes())
        };
        let last = |key| members.iter().rev().find(|(member, _)| member.key == key);
        prop_assert_eq!(field.urgency(), last("u").and_then(|(member, _)| member.says));
        let incremental = last("i").and_then(|(member, _)| member.says).map(|says| says == 1);
        prop_assert_eq!(field.incremental(), incremental);
    }

    #[test]
    fn what_is_printed_is_what_is_parsed(
        urgency in prop::option::of(0..8_u8),
        incremental: Option<bool>,
    ) {
        let field = PriorityField { urgency, incremental };
        let printed = field.to_string();
        prop_assert_eq!(PriorityField::parse(printed.as_bytes()), field);
    }

    #[test]
    fn random_octets_never_panic(
        octets in prop::collection::vec(
            prop_oneof![
                3 => prop::sample::select(b"ui=?01289;, \t\"\\():@%-.*ab".to_vec()),
                1 => any::<u8>(),
            ],
            0..40,
        ),
    ) {
        let field = PriorityField::parse(&octets);
        prop_assert!(field.urgency().is_none_or(|urgency| urgency < 8));
        let printed = Priority::default().merged(field).to_string();
        prop_assert_eq!(
            Priority::from(PriorityField::parse(printed.as_bytes())),
            Priority::from(field)
        );
        // A prefix of parameters that are sound does not save the rest.
        let spoilt = [b"u=1, ".as_slice(), &octets, b",,"].concat();
        prop_assert_eq!(PriorityField::parse(&spoilt), PriorityField::default());
    }
}

#[test]
fn both_parameters_of_a_priority_are_printed() {
    let field = PriorityField::from(Priority::default());
    assert_eq!(field.to_string(), "u=3, i=?0");
    assert_eq!(PriorityField::default().to_string(), "");
    assert_eq!(PriorityField::parse(b"i").to_string(), "i");
}
