//! `[moderation]` and `[review]`: what may be said, and who has the last word.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bongsu_edge::http::review::ReviewSettings;
use bongsu_model::Limits;
use bongsu_node::ports::{Blocklist, LinkPolicy, Moderation, ModerationSettings};

use super::reader::Section;
use super::word;

/// Mistakes of a blocklist that are told one by one; of the rest only the number.
const TOLD_MAX: usize = 20;
/// Questions that a reviewer is asked at once, unless the file says otherwise, and at most.
const QUESTIONS: u64 = 256;
const QUESTIONS_MAX: u64 = 65_536;
/// Most time that a reviewer may take.
const REVIEW_MS_MAX: u64 = 60_000;

/// What may be said.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContentSettings {
    pub(crate) blocklist: Option<PathBuf>,
    pub(crate) moderation: ModerationSettings,
}

impl ContentSettings {
    /// The pipeline, with the blocklist as its file is now.
    ///
    /// # Errors
    /// A list that cannot be read, or has a mistake.
    pub(crate) fn pipeline(&self) -> anyhow::Result<Moderation> {
        let list = match &self.blocklist {
            Some(path) => blocklist(path)
                .map_err(anyhow::Error::msg)
                .context("the blocklist is not taken")?,
            None => Blocklist::default(),
        };
        Ok(Moderation::new(&self.moderation, list))
    }
}

fn blocklist(path: &Path) -> Result<Blocklist, String> {
    let text =
        std::fs::read_to_string(path).map_err(|fault| format!("cannot read {}: {fault}", path.display()))?;
    Blocklist::parse(&text).map_err(|faults| {
        let told = faults.iter().take(TOLD_MAX).map(|it| {
            // Faults of patterns are drawn over several lines.
            let wrong: Vec<_> = it
                .wrong
                .to_string()
                .split_whitespace()
                .map(str::to_owned)
                .collect();
            format!("{}:{}: {}", path.display(), it.line, wrong.join(" "))
        });
        let told: Vec<_> = told.collect();
        let more = faults.len().saturating_sub(TOLD_MAX);
        let more = if more > 0 {
            format!("; and {more} more")
        } else {
            String::new()
        };
        format!("{}{more}", told.join("; "))
    })
}

pub(super) fn moderation(section: Section<'_, '_>, limits: &Limits) -> ContentSettings {
    let usual = ModerationSettings::default();
    let path = section.file("blocklist");
    if let Some(Err(wrong)) = path.as_deref().map(blocklist) {
        section.mistake("blocklist", true, wrong);
    }
    let links = links(&section);
    let settings = ContentSettings {
        blocklist: path,
        moderation: ModerationSettings {
            content_bytes_max: limits.content_bytes_max,
            links: links.unwrap_or(usual.links),
            refuse_scripts: section.flag("refuse_scripts").unwrap_or(usual.refuse_scripts),
        },
    };
    section.close();
    settings
}

fn links(section: &Section<'_, '_>) -> Option<LinkPolicy> {
    const WORDS: [&str; 3] = ["allow", "deny", "hosts"];
    let host = |text: &str| {
        let alone = LinkPolicy::AllowHosts(vec![text.to_owned()]);
        if alone.wrong_hosts().is_empty() {
            Ok(text.to_owned())
        } else {
            Err("a host is needed, such as example.com".to_owned())
        }
    };
    let which = section.text("links", |text| {
        word(text, &WORDS, |text| WORDS.into_iter().find(|word| *word == text))
    });
    let hosts = section.texts("link_hosts", host);
    let any = hosts.as_ref().is_some_and(|hosts| !hosts.is_empty());
    match which {
        Some("hosts") if !any => {
            section.mistake(
                "link_hosts",
                true,
                "`links = \"hosts\"` needs at least one host here",
            );
            None
        }
        Some("hosts") => hosts.map(LinkPolicy::AllowHosts),
        which => {
            if any {
                section.mistake(
                    "link_hosts",
                    true,
                    "hosts are listed, but `links` is not \"hosts\"",
                );
            }
            which.map(|word| {
                if word == "deny" {
                    LinkPolicy::Deny
                } else {
                    LinkPolicy::Allow
                }
            })
        }
    }
}

pub(super) fn review(section: Section<'_, '_>) -> Option<ReviewSettings> {
    let url = section.text("url", |text| {
        crate::client::check_url(text).map(|()| Arc::from(text))
    });
    let secret = section.secret_or_file("secret", "secret_file");
    if let Some((key, secret)) = &secret
        && !secret.expose().iter().all(u8::is_ascii_graphic)
    {
        section.mistake(key, false, "the secret must be visible ASCII");
    }
    let timeout_ms = section.integer("timeout_ms", 1..=REVIEW_MS_MAX).unwrap_or(1_000);
    let questions_max = section
        .integer("questions_max", 1..=QUESTIONS_MAX)
        .unwrap_or(QUESTIONS);
    let on_fault = section.text("on_fault", |text| {
        word(text, &["open", "closed"], |text| match text {
            "open" => Some(true),
            "closed" => Some(false),
            _ => None,
        })
    });
    section.close();
    let questions_max = usize::try_from(questions_max).unwrap_or(usize::MAX);
    Some(ReviewSettings {
        url: url?,
        secret: secret.map(|(_, secret)| secret),
        timeout_ms,
        pass_unasked: on_fault.unwrap_or(true),
        questions_max,
    })
}
