//! Mail, through a real server.

use super::notify::{Desk, Files, LOGIN, payload, wait};
use report_requestor::notify::NotifySettings;
use report_testing::{Identity, Mail, SmtpMode, SmtpServer};

fn header<'a>(mail: &'a Mail, name: &str) -> Vec<&'a str> {
    let head = mail.message.split("\r\n\r\n").next().unwrap();
    head.split("\r\n").filter_map(|line| line.strip_prefix(&format!("{name}: "))).collect()
}

/// The mail without the line breaks that only its transport put in.
fn words(mail: &Mail) -> String {
    mail.message.replace("=\r\n", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_mailed_with_tls_and_login() {
    for (mode, scheme) in [(SmtpMode::StartTls, "smtp"), (SmtpMode::Tls, "smtps")] {
        let identity = Identity::of(&["127.0.0.1"]);
        let server = SmtpServer::start(mode, &identity, Some(LOGIN));
        let files = Files::new().mail(scheme, &server, &identity, &["Ops <ops@example.org>", "boss@example.org"]);
        let desk = Desk::open(&files);
        assert_eq!(desk.take(&payload(&[("QueueTooLong", true)])).await, 1);
        desk.done().await;

        let mails = server.mails();
        let mut to: Vec<_> = mails.iter().flat_map(|mail| mail.to.clone()).collect();
        to.sort();
        assert_eq!(to, ["boss@example.org", "ops@example.org"]);
        for mail in &mails {
            assert!(mail.tls && mail.login, "{mode:?}");
            assert_eq!(mail.from, "reports@example.org");
            assert_eq!(header(mail, "Subject"), ["1 firing: QueueTooLong"]);
            assert_eq!(header(mail, "Auto-Submitted"), ["auto-generated"]);
            assert_eq!(header(mail, "Message-ID").len(), 1);
            for part in ["text/plain", "text/html", "QueueTooLong: <the queue> is long", "&lt;the queue&gt; is long"] {
                assert!(words(mail).contains(part), "{part}: {}", mail.message);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_this_machine_may_be_plain_when_that_is_asked_for() {
    let identity = Identity::of(&["127.0.0.1"]);
    let server = SmtpServer::start(SmtpMode::Plain, &identity, None);
    let desk = Desk::open(&Files::new().mail("smtp+insecure", &server, &identity, &["ops@example.org"]));
    desk.take(&payload(&[("A", true)])).await;
    desk.done().await;
    assert!(!server.mails()[0].tls);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_without_verified_tls() {
    let identity = Identity::of(&["127.0.0.1"]);
    let other = Identity::of(&["127.0.0.1"]);
    let elsewhere = Identity::of(&["mail.example.org"]);
    for (scheme, mode, shown, trusted) in [
        ("smtp", SmtpMode::Plain, &identity, &identity),
        ("smtps", SmtpMode::Plain, &identity, &identity),
        ("smtp", SmtpMode::StartTls, &identity, &other),
        ("smtps", SmtpMode::Tls, &identity, &other),
        ("smtps", SmtpMode::Tls, &elsewhere, &elsewhere),
    ] {
        let server = SmtpServer::start(mode, shown, None);
        let desk = Desk::impatient(&Files::new().mail(scheme, &server, trusted, &["ops@example.org"]), 2);
        desk.take(&payload(&[("A", true)])).await;
        wait("it is given up", async || desk.dead().await.len() == 1).await;
        assert_eq!((server.mails().len(), server.refused().len()), (0, 0), "{scheme} {mode:?}");
        assert!(!desk.dead().await[0].contains(LOGIN.1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_refused_for_now_is_sent_again_under_the_same_id() {
    let identity = Identity::of(&["127.0.0.1"]);
    let mut server = SmtpServer::start(SmtpMode::StartTls, &identity, Some(LOGIN));
    server.script("DATA", 2, "451 later");
    server.script("AUTH", 1, "535 the directory is away");
    server.script("RCPT", 1, "450 greylisted");
    let desk = Desk::impatient(&Files::new().mail("smtp", &server, &identity, &["ops@example.org"]), 50);
    desk.take(&payload(&[("A", true)])).await;
    server.wait(1);
    // What comes meanwhile is in the next mail, and not in this one under the same id.
    desk.take(&payload(&[("B", true)])).await;
    server.wait(2);
    desk.done().await;
    let (mails, refused) = (server.mails(), server.refused());
    assert_eq!(refused.len(), 2);
    let id = header(&mails[0], "Message-ID");
    assert!(refused.iter().all(|mail| header(mail, "Message-ID") == id), "{refused:?}");
    assert_ne!(header(&mails[1], "Message-ID"), id);
    assert!(words(&mails[1]).contains("1 firing: B") && !words(&mails[1]).contains("firing: A"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_recipient_that_is_refused_for_good_is_told_to_the_others_and_can_be_tried_again() {
    use report_queue::Queue;
    let identity = Identity::of(&["127.0.0.1"]);
    let mut server = SmtpServer::start(SmtpMode::StartTls, &identity, Some(LOGIN));
    let files = Files::new().mail("smtp", &server, &identity, &["a@example.org", "b@example.org"]);
    let desk = Desk::open(&files);
    server.script("RCPT", 1, "550 no such user");
    desk.take(&payload(&[("A", true)])).await;
    let mails = server.wait(2);
    desk.idle().await;
    assert_eq!(mails[0].to, mails[1].to);
    assert!(words(&mails[1]).contains("could not be told"), "{}", mails[1].message);
    assert!(words(&mails[1]).contains("no such user") && words(&mails[1]).contains("A is firing"));
    let dead = desk.queue.dead(10).await.unwrap();
    assert_eq!(dead.len(), 1);
    // The address was made: the dead letter gets a new life, and says what it was to say.
    assert!(desk.queue.requeue(&dead[0].id).await.unwrap());
    let mails = server.wait(3);
    assert_ne!(mails[2].to, mails[0].to);
    assert!(words(&mails[2]).contains("1 firing: A"));
    desk.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_alert_can_write_headers_or_markup() {
    let identity = Identity::of(&["127.0.0.1"]);
    let server = SmtpServer::start(SmtpMode::StartTls, &identity, Some(LOGIN));
    let desk = Desk::open(&Files::new().mail("smtp", &server, &identity, &["ops@example.org"]));
    let evil = "X\r\nBcc: all@example.org\r\n\r\n<script>alert(1)</script>";
    desk.take(&payload(&[(evil, true)])).await;
    desk.done().await;
    let mail = &server.mails()[0];
    assert_eq!(mail.to, ["ops@example.org"]);
    assert_eq!(header(mail, "Bcc"), Vec::<&str>::new());
    assert_eq!(header(mail, "Subject").len(), 1);
    let words = words(mail);
    let html = &words[words.find("text/html").unwrap()..];
    assert!(!html.contains("<script>"), "{html}");
}

#[test]
fn settings_that_cannot_work_are_refused_with_what_to_do() {
    let mut files = Files::new();
    files.flags.mail_from = Some("reports@example.org".to_owned());
    let mut error = |url: &str, password: Option<&str>| {
        files.flags.smtp_url = Some(url.to_owned());
        files.flags.smtp_password_file = password.map(|text| files.file("password", text));
        NotifySettings::resolve(&files.flags).unwrap_err().to_string()
    };
    assert!(error("smtp+insecure://mail.example.org:25", None).contains("only a server on this machine"));
    assert!(error("smtp://a:hunter2@mail.example.org", None).contains("into a file"));
    assert!(!error("smtp://a:hunter2@mail.example.org", None).contains("hunter2"));
    assert!(error("smtp://user@mail.example.org", None).contains("both a user"));
    assert!(error("smtp://mail.example.org", Some("secret")).contains("both a user"));
    assert!(error("http://mail.example.org", None).contains("smtps://"));
    assert!(error("smtp://", None).contains("--smtp-url"));
    assert!(error("smtp://mail.example.org/path", None).contains("nothing may follow"));
    files.flags.smtp_url = Some("smtp://mail.example.org".to_owned());
    files.flags.smtp_password_file = None;
    files.flags.mail_to = vec!["ops@example.org".to_owned(), "nobody".to_owned()];
    let error = NotifySettings::resolve(&files.flags).unwrap_err().to_string();
    assert!(error.contains("--mail-to") && error.contains("`nobody`"), "{error}");
}
