//! Key sets behind URLs, served from loopback: rotation, faults that keep the old keys, and bounds on what
//! a stranger's token can make us fetch.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bongsu_edge::auth::{FetchSettings, LoadFault, SourceStanding, TokenRefused, TokenSettings, Verifier};
use bongsu_model::Limits;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{NOW, Signing, jwks};

/// A server of one answer, which counts how often it was asked.
struct Site {
    address: SocketAddr,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
    /// Ends what it started when it goes.
    _tasks: JoinSet<()>,
}

impl Site {
    async fn serving(status: u16, body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new((status, body)));
        let asked = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let (answering, counting) = (Arc::clone(&answer), Arc::clone(&asked));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (answer, asked) = (Arc::clone(&answering), Arc::clone(&counting));
                let service = service_fn(move |_: Request<Incoming>| {
                    asked.fetch_add(1, Ordering::SeqCst);
                    let (status, body) = answer.lock().clone();
                    let answer = Response::builder()
                        .status(status)
                        .header("location", "/elsewhere");
                    let answer = answer.body(Full::new(Bytes::from(body))).unwrap();
                    async move { Ok::<_, Infallible>(answer) }
                });
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service);
                connections.spawn(async move {
                    let _ = serving.await;
                });
            }
        });
        Self {
            address,
            answer,
            asked,
            _tasks: tasks,
        }
    }

    fn url(&self) -> Arc<str> {
        format!("http://{}/jwks.json", self.address).into()
    }

    fn answers(&self, status: u16, body: impl Into<String>) {
        *self.answer.lock() = (status, body.into());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A verifier that follows these URLs for as long as this lives.
struct Following {
    verifier: Arc<Verifier>,
    _task: JoinSet<()>,
}

fn following(urls: Vec<Arc<str>>, fetch: FetchSettings) -> Following {
    let settings = TokenSettings {
        jwks_urls: urls,
        fetch,
        ..TokenSettings::default()
    };
    let verifier = Verifier::load(settings, None, &Limits::DEFAULT).unwrap();
    let mut task = JoinSet::new();
    task.spawn(Arc::clone(&verifier).keep_fresh());
    Following {
        verifier,
        _task: task,
    }
}

impl Following {
    /// Waits until every URL stands as is asked, but not for ever.
    async fn until(&self, is_so: impl Fn(&SourceStanding) -> bool) {
        let mut rounds = self.verifier.rounds();
        let so = async {
            while !self.verifier.standing().iter().all(&is_so) {
                rounds.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), so).await.unwrap();
    }
}

fn calm() -> FetchSettings {
    let hour = 3_600_000;
    FetchSettings {
        refresh_ms: hour,
        retry_ms: hour,
        unknown_kid_ms: hour,
        ..FetchSettings::default()
    }
}

fn eager() -> FetchSettings {
    FetchSettings {
        refresh_ms: 1,
        retry_ms: 1,
        ..calm()
    }
}

#[tokio::test]
async fn keys_rotate() {
    let (old, new) = (Signing::ed25519(), Signing::rsa());
    let site = Site::serving(200, jwks(&[old.public_jwk("old")])).await;
    let following = following(vec![site.url()], eager());
    let takes = |key: &Signing, kid| following.verifier.verify(&key.token(Some(kid)), NOW).map(|_| ());
    following.until(|url| url.keys == 1).await;
    assert_eq!(
        (takes(&old, "old"), takes(&new, "new")),
        (Ok(()), Err(TokenRefused::UnknownKey))
    );

    site.answers(200, jwks(&[old.public_jwk("old"), new.public_jwk("new")]));
    following.until(|url| url.keys == 2).await;
    assert_eq!((takes(&old, "old"), takes(&new, "new")), (Ok(()), Ok(())));

    site.answers(200, jwks(&[new.public_jwk("new")]));
    following.until(|url| url.keys == 1).await;
    assert_eq!(
        (takes(&old, "old"), takes(&new, "new")),
        (Err(TokenRefused::UnknownKey), Ok(()))
    );
}

#[tokio::test]
async fn a_failure_keeps_the_old_keys() {
    let key = Signing::ed25519();
    let set = jwks(&[key.public_jwk("k")]);
    let site = Site::serving(200, set.clone()).await;
    let fetch = FetchSettings {
        body_bytes_max: 1_000,
        ..eager()
    };
    let following = following(vec![site.url()], fetch);
    following.until(|url| url.last_fetch_worked == Some(true)).await;
    let padded = |bytes: usize| format!("{set}{}", " ".repeat(bytes - set.len()));
    for (status, body) in [
        (500, set.clone()),
        (404, String::new()),
        (302, set.clone()),
        (304, String::new()),
        (200, "<html>".into()),
        (200, "{\"keys\":[]}".into()),
        (200, padded(1_001)),
    ] {
        site.answers(status, body.clone());
        following.until(|url| url.last_fetch_worked == Some(false)).await;
        assert!(
            following.verifier.verify(&key.token(Some("k")), NOW).is_ok(),
            "{status} {body}"
        );
        site.answers(200, padded(1_000));
        following.until(|url| url.last_fetch_worked == Some(true)).await;
    }
}

#[tokio::test]
async fn one_url_that_fails_does_not_touch_the_other() {
    let key = Signing::ed25519();
    let (good, bad) = (
        Site::serving(200, jwks(&[key.public_jwk("k")])).await,
        Site::serving(503, String::new()).await,
    );
    let following = following(vec![bad.url(), good.url()], calm());
    following.until(|url| url.last_fetch_worked.is_some()).await;
    let standing = following.verifier.standing();
    assert_eq!(
        (standing[0].keys, standing[0].last_fetch_worked),
        (0, Some(false))
    );
    assert_eq!((standing[1].keys, standing[1].last_fetch_worked), (1, Some(true)));
    assert!(following.verifier.verify(&key.token(Some("k")), NOW).is_ok());
}

#[tokio::test]
async fn a_server_that_never_answers_costs_its_time_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).into();
    let following = following(
        vec![url],
        FetchSettings {
            timeout_ms: 50,
            ..calm()
        },
    );
    following.until(|url| url.last_fetch_worked == Some(false)).await;
}

#[tokio::test]
async fn a_new_key_is_fetched_for_the_token_that_needs_it() {
    let (old, new) = (Signing::ed25519(), Signing::ed25519());
    let site = Site::serving(200, jwks(&[old.public_jwk("old")])).await;
    let following = following(vec![site.url()], calm());
    following.until(|url| url.keys == 1).await;
    site.answers(200, jwks(&[old.public_jwk("old"), new.public_jwk("new")]));
    let token = new.token(Some("new"));
    assert_eq!(
        following.verifier.verify(&token, NOW),
        Err(TokenRefused::UnknownKey)
    );
    following.verifier.ready_for(&token).await;
    assert!(following.verifier.verify(&token, NOW).is_ok());
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn strangers_cause_at_most_one_fetch() {
    let key = Signing::ed25519();
    let site = Site::serving(200, jwks(&[key.public_jwk("k")])).await;
    let following = following(vec![site.url()], calm());
    following.until(|url| url.keys == 1).await;
    let mut strangers = JoinSet::new();
    for at in 0..100 {
        let verifier = Arc::clone(&following.verifier);
        let token = key.token(Some(&format!("made-up-{at}")));
        strangers.spawn(async move {
            verifier.ready_for(&token).await;
            verifier.verify(&token, NOW)
        });
    }
    for verdict in strangers.join_all().await {
        assert_eq!(verdict, Err(TokenRefused::UnknownKey));
    }
    assert_eq!(
        site.asked(),
        2,
        "the first fetch, and one early one for all of them"
    );
    following.verifier.ready_for(&key.token(Some("another"))).await;
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn a_wrong_token_of_a_known_key_causes_none() {
    let key = Signing::ed25519();
    let site = Site::serving(200, jwks(&[key.public_jwk("k")])).await;
    let following = following(vec![site.url()], calm());
    following.until(|url| url.keys == 1).await;
    for (token, refused) in [
        (Signing::ed25519().token(Some("k")), TokenRefused::Signature),
        (Signing::p256().token(Some("k")), TokenRefused::Algorithm),
        ("rubbish".into(), TokenRefused::Malformed),
        (String::new(), TokenRefused::Missing),
    ] {
        following.verifier.ready_for(&token).await;
        assert_eq!(following.verifier.verify(&token, NOW), Err(refused));
    }
    assert_eq!(site.asked(), 1);
}

#[test]
fn an_address_that_cannot_be_trusted_is_refused_at_once() {
    for url in ["http://keys.example/jwks", "ftp://keys.example/", "keys"] {
        let settings = TokenSettings {
            jwks_urls: vec![url.into()],
            ..TokenSettings::default()
        };
        let fault = Verifier::load(settings, None, &Limits::DEFAULT).err().unwrap();
        assert!(
            matches!(fault, LoadFault::Url { .. }) && fault.to_string().contains(url),
            "{fault}"
        );
    }
}
