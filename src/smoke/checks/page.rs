//! The page with graphs that Prometheus serves itself.

use crate::model::component::ComponentName::Prometheus;
use crate::reach::wait::Verdict as Look;
use crate::reach::{Query, begin};
use crate::render::native::native;
use crate::smoke::lab::{Fault, Lab, Verdict};

/// The page is the one that we rendered, Prometheus filled it in without an error, and what it filled in are figures.
pub async fn shows(lab: &Lab) -> Verdict {
    let ours = native(&lab.target.view(), Prometheus).map_err(|error| Fault::new(error.to_string(), "our page"))?;
    let page = ours.page.unwrap_or_default();
    let path = page.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default();
    let rendered =
        ours.files.iter().find(|file| path.ends_with(&*file.path.file_name().unwrap_or_default().to_string_lossy()));
    // The list of panels, which the browser reads: it is no template, so it comes as it was rendered.
    let panels =
        rendered.and_then(|file| file.text.lines().find(|line| line.contains("id=\"spec\""))).unwrap_or_default();
    let title = format!("<title>Report stack: {}</title>", lab.target.env.name);
    let expected = format!("our page with the title `Report stack: {}` and a row for each target", lab.target.env.name);
    let query = Query::get(lab.port(Prometheus, "http")?, &path);
    let look = || async { lab.body(&query).await.map_err(|fault| fault.seen) };
    let judge = |body: &String| {
        if !body.contains(&title) || panels.is_empty() || !body.contains(panels) {
            return Look::Broken(format!("{query} is another page: {}", begin(body)));
        }
        if body.contains("{{") {
            return Look::Broken(format!(
                "{query} was not filled in: {}",
                begin(&body[body.find("{{").unwrap_or(0)..])
            ));
        }
        match body.contains("<td>prometheus</td>") {
            true => Look::Good,
            false => Look::NotYet(format!("{query} shows no target")),
        }
    };
    lab.wait("the page is filled in", &expected, 2, look, judge).await?;
    Ok(format!("{page} shows our panels and is filled with figures"))
}
