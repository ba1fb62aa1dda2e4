//! The forms for people and spreadsheets: tables, CSV, YAML.

use super::reading::Seen;
use super::setup::Generation;
use super::values::human;
use serde_json::Value;
use std::fmt::Write as _;

fn or_dashes(text: &str) -> &str {
    if text.is_empty() { "--" } else { text }
}

pub(crate) fn list(all: &[Seen]) -> String {
    if all.is_empty() {
        return "No instances found.\n".to_owned();
    }
    let mut text = format!("{:<24}{:<18}{:<17}Image\n", "Name", "State", "IPv4");
    for one in all {
        let first = one.figures.addresses.first().map_or("", String::as_str);
        let _ = writeln!(text, "{:<24}{:<18}{:<17}{}", one.name, one.state(), or_dashes(first), one.release());
        for address in one.figures.addresses.iter().skip(1) {
            let _ = writeln!(text, "{:<42}{address}", "");
        }
    }
    text
}

pub(crate) fn list_csv(all: &[Seen], generation: Generation) -> String {
    let next = generation == Generation::Next;
    let mut text = if next {
        "Name,State,IPv4,Release,AllIPv4,Zone,Zone available\n".to_owned()
    } else {
        "Name,State,IPv4,IPv6,Release,AllIPv4\n".to_owned()
    };
    for one in all {
        let addresses = &one.figures.addresses;
        let first = addresses.first().map_or("", String::as_str);
        let (name, state, release, all) = (&one.name, one.state(), one.release(), addresses.join(","));
        let _ = if next {
            writeln!(text, "{name},{state},{first},{release},\"{all}\",zone1,true")
        } else {
            writeln!(text, "{name},{state},{first},,{release},\"{all}\"")
        };
    }
    text
}

pub(crate) fn list_yaml(all: &[Seen]) -> String {
    if all.is_empty() {
        return "\n".to_owned();
    }
    let mut text = String::new();
    for one in all {
        let _ = writeln!(text, "{}:\n  - state: {}\n    ipv4:", one.name, one.state());
        if one.figures.addresses.is_empty() {
            text.push_str("      []\n");
        }
        for address in &one.figures.addresses {
            let _ = writeln!(text, "      - {address}");
        }
        let _ = writeln!(text, "    release: {}", one.release());
    }
    text
}

fn used_of(figures: Option<(u64, u64)>) -> String {
    figures.map_or_else(|| "--".to_owned(), |(total, used)| format!("{} out of {}", human(used), human(total)))
}

fn load(one: &Seen) -> String {
    one.figures.load.iter().map(|load| format!("{load:.2}")).collect::<Vec<_>>().join(" ")
}

pub(crate) fn info(all: &[Seen]) -> String {
    let each = |one: &Seen| {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(text, "{:<16}{}", format!("{key}:"), or_dashes(value));
        };
        line("Name", &one.name);
        line("State", &one.state());
        line("Snapshots", &one.instance.snapshots.len().to_string());
        line("IPv4", &one.figures.addresses.join(&format!("\n{:16}", "")));
        line("Release", &one.figures.release);
        let hash: String = one.instance.image.hash.chars().take(12).collect();
        line("Image hash", &format!("{hash} ({})", one.release()));
        line("CPU(s)", &one.figures.cpus);
        line("Load", &load(one));
        line("Disk usage", &used_of(one.figures.disk));
        line("Memory usage", &used_of(one.figures.memory));
        let mounts: Vec<String> =
            one.instance.mounts.iter().map(|(target, source)| format!("{} => {target}", source.display())).collect();
        line("Mounts", &mounts.join(&format!("\n{:16}", "")));
        text
    };
    all.iter().map(each).collect::<Vec<_>>().join("\n")
}

pub(crate) fn info_csv(all: &[Seen], generation: Generation) -> String {
    let next = generation == Generation::Next;
    let (zone, six) = if next { ("Zone,Zone available,", "") } else { ("", "Ipv6,") };
    let mut text = format!(
        "Name,State,{zone}Ipv4,{six}Release,Image hash,Image release,Load,Disk usage,Disk total,Memory usage,Memory \
         total,Mounts,AllIPv4,CPU(s),Snapshots\n"
    );
    for one in all {
        let figures = &one.figures;
        let part = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        let mounts = one.instance.mounts.iter().map(|(target, source)| format!("{} => {target}", source.display()));
        let (zone, six) = if next { ("zone1,true,", "") } else { ("", ",") };
        let _ = writeln!(
            text,
            "{},{},{zone}{},{six}{},{},{},{},{},{},{},{},{},{},{},{}",
            one.name,
            one.state(),
            figures.addresses.first().map_or("", String::as_str),
            figures.release,
            one.instance.image.hash,
            one.instance.image.release,
            load(one),
            part(figures.disk.map(|(_, used)| used)),
            part(figures.disk.map(|(total, _)| total)),
            part(figures.memory.map(|(_, used)| used)),
            part(figures.memory.map(|(total, _)| total)),
            mounts.collect::<Vec<_>>().join(";"),
            figures.addresses.join(";"),
            figures.cpus,
            one.instance.snapshots.len(),
        );
    }
    text
}

pub(crate) fn info_yaml(all: &[Seen]) -> String {
    let tilde = |text: &str| if text.is_empty() { "~".to_owned() } else { text.to_owned() };
    let part = |value: Option<u64>| value.map_or_else(|| "~".to_owned(), |value| value.to_string());
    let mut text = "errors:\n  - ~\n".to_owned();
    for one in all {
        let figures = &one.figures;
        let _ = write!(
            text,
            "{}:\n  - state: {}\n    snapshot_count: {}\n    image_hash: {}\n    image_release: {}\n    release: {}\n    \
             cpu_count: {}\n",
            one.name,
            one.state(),
            one.instance.snapshots.len(),
            one.instance.image.hash,
            tilde(&one.instance.image.release),
            tilde(&figures.release),
            tilde(&figures.cpus),
        );
        text.push_str("    load:\n");
        if figures.load.is_empty() {
            text.push_str("      - ~\n");
        }
        for load in &figures.load {
            let _ = writeln!(text, "      - {load}");
        }
        let (disk, memory) = (figures.disk, figures.memory);
        let _ = write!(
            text,
            "    disks:\n      - sda1:\n          used: {}\n          total: {}\n    memory:\n      usage: {}\n      total: {}\n",
            part(disk.map(|(_, used)| used)),
            part(disk.map(|(total, _)| total)),
            part(memory.map(|(_, used)| used)),
            part(memory.map(|(total, _)| total)),
        );
        text.push_str("    ipv4:\n");
        if figures.addresses.is_empty() {
            text.push_str("      []\n");
        }
        for address in &figures.addresses {
            let _ = writeln!(text, "      - {address}");
        }
        text.push_str("    mounts:");
        if one.instance.mounts.is_empty() {
            text.push_str(" ~");
        }
        text.push('\n');
        for (target, source) in &one.instance.mounts {
            let _ = writeln!(text, "      {target}:\n        source_path: {}", source.display());
        }
    }
    text
}

fn words(image: &Value, key: &str) -> String {
    image[key].as_str().unwrap_or_default().to_owned()
}

fn aliases(image: &Value, with: &str) -> String {
    let all = image["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str);
    all.collect::<Vec<_>>().join(with)
}

pub(crate) fn find(images: &[(String, Value)], next: bool) -> String {
    if images.is_empty() {
        let text = if next { "No images found.\n" } else { "No images or blueprints found.\n" };
        return text.to_owned();
    }
    let mut text = format!("{:<28}{:<18}{:<17}Description\n", "Image", "Aliases", "Version");
    for (name, image) in images {
        let (aliases, version) = (aliases(image, ","), words(image, "version"));
        let description = format!("{} {}", words(image, "os"), words(image, "release"));
        let _ = writeln!(text, "{name:<28}{aliases:<18}{version:<17}{description}");
    }
    text.push('\n');
    text
}

pub(crate) fn find_csv(images: &[(String, Value)]) -> String {
    let mut text = "Image,Remote,Aliases,OS,Release,Version,Type\n".to_owned();
    for (name, image) in images {
        let own = name.rsplit(':').next().unwrap_or_default();
        let (remote, os) = (words(image, "remote"), words(image, "os"));
        let (release, version, aliases) = (words(image, "release"), words(image, "version"), aliases(image, ";"));
        let _ = writeln!(text, "{own},{remote},{aliases},{os},{release},{version},Cloud Image");
    }
    text
}

pub(crate) fn find_yaml(images: &[(String, Value)]) -> String {
    let mut text = "errors:\n  - ~\nimages:\n".to_owned();
    for (name, image) in images {
        let _ = writeln!(text, "  {name}:\n    aliases:");
        for alias in image["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let _ = writeln!(text, "      - {alias}");
        }
        let (os, release) = (words(image, "os"), words(image, "release"));
        let (version, remote) = (words(image, "version"), words(image, "remote"));
        let _ =
            writeln!(text, "    os: {os}\n    release: {release}\n    version: {version}\n    remote: \"{remote}\"");
    }
    text
}
