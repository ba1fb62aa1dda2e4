//! The doors and the figures, asked as Prometheus and a supervisor ask.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use report_telemetry::{
    Direction, HttpMetrics, JobMetrics, JobOutcome, Metrics, Readiness, RedisMetrics, Service, SocketMetrics,
    WebhookMetrics, WebhookOutcome, WorkerMetrics, observe, routes,
};
use std::time::Duration;
use tower::ServiceExt;

const SERVICE: Service = Service { name: "report-test", version: "1.2.3" };

async fn ask(app: &Router, method: &str, path: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_series_have_the_names_and_labels_that_rules_and_panels_read() {
    let metrics = Metrics::new(SERVICE);
    let jobs = JobMetrics::register(&metrics, &["gage-calibration"]);
    let workers = WorkerMetrics::register(&metrics);
    let webhooks = WebhookMetrics::register(&metrics);
    let sockets = SocketMetrics::register(&metrics);
    let redis = RedisMetrics::register(&metrics);

    jobs.start("gage-calibration", Duration::from_millis(3)).end(JobOutcome::Done);
    jobs.start("gage-calibration", Duration::ZERO).end(JobOutcome::Failed);
    jobs.start("gage-calibration", Duration::ZERO).end(JobOutcome::Retried);
    let _running = jobs.start("gage-calibration", Duration::ZERO);
    jobs.recovered(2);
    jobs.queue(7, Duration::from_millis(1500), 1);
    workers.set(4, 6);
    workers.scaled(Direction::Up, "alert");
    webhooks.attempt(WebhookOutcome::Failed, Duration::from_millis(20));
    let _socket = sockets.open();
    drop(sockets.open());
    sockets.resumed();
    redis.set(true);

    let (status, text) = ask(&routes(metrics, Readiness::new()), "GET", "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    for line in [
        r#"report_build_info{service="report-test",version="1.2.3"} 1"#,
        r#"report_jobs_total{type="gage-calibration",outcome="done"} 1"#,
        r#"report_jobs_total{type="gage-calibration",outcome="failed"} 1"#,
        r#"report_jobs_total{type="gage-calibration",outcome="cancelled"} 0"#,
        r#"report_job_retries_total{type="gage-calibration"} 1"#,
        r#"report_job_seconds_count{type="gage-calibration"} 1"#,
        "report_queue_wait_seconds_count 4",
        r#"report_queue_wait_seconds_bucket{le="0.004"} 4"#,
        "report_queue_waiting 7.0",
        "report_queue_oldest_seconds 1.5",
        "report_jobs_running 1.0",
        "report_jobs_recovered_total 2",
        "report_jobs_dead 1.0",
        "report_workers 4.0",
        "report_workers_wanted 6.0",
        r#"report_scale_total{direction="up",reason="alert"} 1"#,
        r#"webhook_attempts_total{outcome="delivered"} 0"#,
        r#"webhook_attempts_total{outcome="failed"} 1"#,
        "webhook_seconds_count 1",
        "ws_connections 1.0",
        "ws_resumed_total 1",
        "redis_up 1.0",
    ] {
        assert!(text.lines().any(|there| there == line), "{line} is missing in:\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn nobody_can_make_ever_new_series() {
    let metrics = Metrics::new(SERVICE);
    let jobs = JobMetrics::register(&metrics, &[]);
    for n in 0..200 {
        jobs.start(&format!("type-{n}"), Duration::ZERO).end(JobOutcome::Done);
    }
    let text = metrics.text().unwrap();
    assert!(text.contains(r#"report_jobs_total{type="other",outcome="done"} 150"#), "{text}");
    assert!(!text.contains("type-50"));
}

#[tokio::test]
async fn requests_are_told_by_route_method_and_class() {
    let metrics = Metrics::new(SERVICE);
    let app = Router::new()
        .route("/things/{id}", get(async || "thing"))
        .route("/broken", post(async || StatusCode::BAD_GATEWAY))
        .fallback(async || StatusCode::NOT_FOUND)
        .merge(routes(metrics.clone(), Readiness::new()));
    let app = observe(app, HttpMetrics::register(&metrics));
    for path in ["/things/1", "/things/2", "/nowhere/secret"] {
        ask(&app, "GET", path).await;
    }
    ask(&app, "POST", "/broken").await;
    ask(&app, "BREW", "/things/3").await;

    let (_, text) = ask(&app, "GET", "/metrics").await;
    for line in [
        r#"http_requests_total{method="GET",route="/things/{id}",status="2xx"} 2"#,
        r#"http_requests_total{method="_OTHER",route="/things/{id}",status="4xx"} 1"#,
        r#"http_requests_total{method="POST",route="/broken",status="5xx"} 1"#,
        r#"http_requests_total{method="GET",route="",status="4xx"} 1"#,
        r#"http_request_seconds_count{method="GET",route="/things/{id}"} 2"#,
        "http_requests_in_flight 1.0",
    ] {
        assert!(text.lines().any(|there| there == line), "{line} is missing in:\n{text}");
    }
    assert!(!text.contains("secret"), "no address is told");
}

#[tokio::test]
async fn a_client_that_goes_away_is_told_too() {
    let metrics = Metrics::new(SERVICE);
    let app = Router::new().route("/slow", get(std::future::pending::<()>));
    let app = observe(app, HttpMetrics::register(&metrics));
    let request = Request::builder().uri("/slow").body(Body::empty()).unwrap();
    let waiting = tokio::spawn(app.oneshot(request));
    while !metrics.text().unwrap().contains("http_requests_in_flight 1.0") {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    assert!(waiting.await.is_err());
    let text = metrics.text().unwrap();
    assert!(text.contains(r#"http_requests_total{method="GET",route="/slow",status="dropped"} 1"#), "{text}");
    assert!(text.contains("http_requests_in_flight 0.0"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn readiness_says_which_check_does_not_hold() {
    let readiness = Readiness::new()
        .with("redis", async || Err("it does not answer".to_owned()))
        .with("disk", async || Ok(()))
        .with("slow", std::future::pending);
    let app = routes(Metrics::new(SERVICE), readiness);
    let (status, text) = ask(&app, "GET", "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let slow = "no answer within 2 s";
    assert_eq!(
        text,
        format!(r#"{{"ready":false,"checks":{{"redis":"it does not answer","disk":"ok","slow":"{slow}"}}}}"#)
    );
    assert_eq!(ask(&app, "GET", "/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_service_that_ends_is_not_ready() {
    let readiness = Readiness::new().with("redis", async || Ok(()));
    let app = routes(Metrics::new(SERVICE), readiness.clone());
    assert_eq!(
        ask(&app, "GET", "/readyz").await,
        (StatusCode::OK, r#"{"ready":true,"checks":{"redis":"ok"}}"#.to_owned())
    );
    readiness.drain();
    assert_eq!(ask(&app, "GET", "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
}
