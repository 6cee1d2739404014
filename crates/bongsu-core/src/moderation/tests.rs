//! The whole pipeline: what passes, what does not, and with which reason.

use bongsu_model::Why;
use proptest::prelude::*;

use super::*;

fn pipeline() -> Moderation {
    let settings = ModerationSettings {
        content_bytes_max: 64,
        links: LinkPolicy::Deny,
        refuse_scripts: true,
    };
    Moderation::new(&settings, Blocklist::parse("spam\n").unwrap())
}

fn judge(content: &str, kind: MessageKind) -> Result<String, Refusal> {
    pipeline()
        .judge(&content.into(), kind)
        .map(|cleared| cleared.content.to_string())
}

fn reason_of(content: &str, kind: MessageKind) -> Option<&'static str> {
    match judge(content, kind).err()? {
        Refusal {
            code: Code::MessageRejected,
            why: Why::Reason(reason),
            retry_after_ms: None,
        } => Some(reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn content_is_kept_in_nfc() {
    assert_eq!(
        judge("\u{1112}\u{1161}\u{11ab}글", MessageKind::Text).unwrap(),
        "한글"
    );
    assert_eq!(judge("e\u{301}", MessageKind::Custom).unwrap(), "é");
}

#[test]
fn content_has_a_size_after_nfc() {
    let too_large = Err(Refusal::too_large("content", 64));
    for kind in MessageKind::ALL {
        assert_eq!(
            judge("", kind),
            Err(Refusal::field("content", Want::TextOf(1, 64)))
        );
        assert!(judge("x", kind).is_ok());
        assert!(judge(&"x".repeat(63), kind).is_ok());
        assert!(judge(&"x".repeat(64), kind).is_ok());
        assert_eq!(judge(&"x".repeat(65), kind), too_large);
        assert!(
            judge(&"\u{1112}\u{1161}\u{11ab}".repeat(21), kind).is_ok(),
            "189 bytes become 63"
        );
        assert_eq!(judge(&"\u{1112}\u{1161}\u{11ab}".repeat(22), kind), too_large);
    }
}

#[test]
fn control_characters_are_refused_in_every_kind() {
    let bad = [
        '\0', '\u{7}', '\u{8}', '\r', '\u{1B}', '\u{7F}', '\u{80}', '\u{85}', '\u{9F}', '\u{2028}',
        '\u{2029}', '\u{202A}', '\u{202E}',
    ];
    for kind in MessageKind::ALL {
        for c in bad {
            assert_eq!(
                reason_of(&format!("a{c}b"), kind),
                Some(reason::CONTROL_CHARACTERS),
                "{c:?}"
            );
        }
        for good in ["a\nb\tc", "👩‍👩‍👧", "می‌خواهم", "\u{2067}שלום\u{2069}", "a\u{200F}"]
        {
            assert_eq!(reason_of(good, kind), None, "{good:?}");
        }
    }
}

#[test]
fn what_people_read_is_scanned_and_what_applications_read_is_not() {
    use MessageKind::{Audio, Custom, File, Image, Location, Text, Video};
    for (content, reason) in [("Ｓpam!", reason::BLOCKLIST), ("<script>", reason::SCRIPT)] {
        for kind in [Text, Image, File, Audio, Video, Location] {
            assert_eq!(reason_of(content, kind), Some(reason));
        }
        assert_eq!(reason_of(content, Custom), None);
    }
    assert_eq!(reason_of("https://a.b/c.png", Text), Some(reason::LINK));
    assert_eq!(
        reason_of("https://a.b/c.png", Image),
        None,
        "an image has an address"
    );
}

#[test]
fn the_first_no_counts() {
    assert_eq!(
        judge(&"\0".repeat(65), MessageKind::Text),
        Err(Refusal::too_large("content", 64))
    );
    assert_eq!(
        reason_of("spam \0 <script> http://a", MessageKind::Text),
        Some(reason::CONTROL_CHARACTERS)
    );
    assert_eq!(
        reason_of("<script> http://a spam", MessageKind::Text),
        Some(reason::BLOCKLIST)
    );
    assert_eq!(
        reason_of("<script> http://a", MessageKind::Text),
        Some(reason::LINK)
    );
}

#[test]
fn steps_can_be_left_out() {
    let lenient = ModerationSettings {
        refuse_scripts: false,
        ..ModerationSettings::default()
    };
    let pipeline = Moderation::new(&lenient, Blocklist::default());
    for content in ["<script>", "https://a.b", "spam"] {
        assert!(pipeline.judge(&content.into(), MessageKind::Text).is_ok());
    }
    assert!(
        pipeline
            .judge(&"x".repeat(4_096).into(), MessageKind::Text)
            .is_ok()
    );
    assert!(
        pipeline
            .judge(&"x".repeat(4_097).into(), MessageKind::Text)
            .is_err()
    );
}

#[test]
fn a_fingerprint_sees_through_disguise() {
    let fingerprint = |content: &str| {
        pipeline()
            .judge(&content.into(), MessageKind::Text)
            .unwrap()
            .fingerprint
    };
    assert_eq!(fingerprint("Buy now"), fingerprint("ＢＵＹ\u{200B} now"));
    assert_ne!(fingerprint("Buy now"), fingerprint("Buy now!"));
}

#[test]
fn every_reason_is_listed_once_and_is_one_word() {
    let mut all = reason::ALL.to_vec();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), reason::ALL.len());
    assert!(
        all.iter()
            .all(|reason| reason.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    );
}

proptest! {
    #[test]
    fn what_is_cleared_is_well_formed_and_is_cleared_again(content in "(\\PC|\\pC|[\u{300}\u{1100}-\u{11ff}<>/:]){0,40}") {
        let pipeline = pipeline();
        for kind in [MessageKind::Text, MessageKind::Custom] {
            if let Ok(cleared) = pipeline.judge(&content.as_str().into(), kind) {
                prop_assert!((1..=64).contains(&cleared.content.len()));
                prop_assert!(cleared.content.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control()));
                let again = pipeline.judge(&cleared.content, kind).unwrap();
                prop_assert!(Arc::ptr_eq(&again.content, &cleared.content) || again.content == cleared.content);
                prop_assert_eq!(again.fingerprint, cleared.fingerprint);
            }
        }
    }
}
