//! What an instance of LXD is made from, and images that are made for that.
//!
//! A machine that was initialised holds all packages, and nothing that is its own but what can be taken out again. An image
//! of it, *baked*, is where the next equal machine starts from. It is made from the snapshot that was taken before there
//! were secrets, services and data, while the stack comes up beside it.

mod action;
pub mod recipe;

pub use action::{IDLE, ImageAction, cleaned, properties};

use super::Inputs;
use super::draft::Draft;
use super::error::PlanError;
use super::lxd::LxdAction;
use crate::model::argv;
use crate::model::blueprint::Blueprint;
use crate::model::digest;
use crate::model::environment::{InstanceKind, LxdMachine};
use crate::model::ids::EnvId;
use crate::model::inventory::{Observed, Package};
use crate::model::lxd::{Image, ImageChoice, Instance, Kind, LxdState, SNAPSHOT};
use crate::model::quantity::Span;
use crate::render::cloud_init::{self, Base, Substrate, UserData};
use recipe::property;
use std::collections::BTreeMap;

/// Fetching packages over a slow line and unpacking them.
const MAKE: Span = Span::seconds(1800);
/// Copying a machine's disk, or packing it.
const COPY: Span = Span::seconds(900);
/// Starting a copy and removing files in it.
const CLEAN: Span = Span::seconds(300);

const COPY_STEP: &str = "bake/copy";
const CLEAN_STEP: &str = "bake/clean";
const PUBLISH_STEP: &str = "bake/publish";

/// What an instance is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The image.
    pub image: ImageChoice,
    /// What it holds already, which decides the user-data.
    pub base: Base,
    /// How the image is made first, where it is not there.
    pub make: Option<Make>,
    /// The packages of this host that it is made with, where some are missing.
    pub tools: Option<BTreeMap<String, Package>>,
}

/// How an image is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Make {
    /// Why.
    pub because: String,
    /// How long it may take.
    pub timeout: Span,
    /// What is done.
    pub step: ImageAction,
}

/// What the environment's instance is made from: an image that was baked of what it would be, else the local image that the
/// blueprint names, else one that we have made, else what a remote has, else one that is made.
///
/// Errors: there is no image, and none can be made.
pub(super) fn choose(
    inputs: &Inputs<'_>,
    machine: &LxdMachine,
    state: &LxdState,
    plain: &UserData,
) -> Result<Chosen, PlanError> {
    let chosen = choose_plain(inputs, machine, state)?;
    if !machine.bake || machine.instance != InstanceKind::Container || chosen.make.is_some() {
        return Ok(chosen);
    }
    let Some(of) = identity_of(machine, state, &chosen.image) else { return Ok(chosen) };
    match baked(state, &key(&machine.blueprint, plain, &of)) {
        Some(image) => Ok(Chosen {
            image: ImageChoice::Baked { fingerprint: image.fingerprint.clone() },
            base: Base::Baked,
            ..chosen
        }),
        None => Ok(chosen),
    }
}

fn choose_plain(inputs: &Inputs<'_>, machine: &LxdMachine, state: &LxdState) -> Result<Chosen, PlanError> {
    let wanted = &machine.blueprint.image;
    let of = |image| Ok(Chosen { image, base: Base::Plain, make: None, tools: None });
    if let Some(alias) = local(machine, state) {
        return of(ImageChoice::Alias { alias: alias.to_owned() });
    }
    let release = wanted.debian.as_ref().filter(|_| machine.instance == InstanceKind::Container);
    let made = release.map(|release| (release, recipe::digest(release)));
    if let Some((_, digest)) = &made
        && state
            .images
            .iter()
            .any(|image| image.aliases.contains(&ImageChoice::base_alias(digest)) && is_base(image, digest))
    {
        return of(ImageChoice::Base { digest: digest.clone() });
    }
    let why = match &state.remote {
        Observed::Present(()) => return of(ImageChoice::Remote { image: wanted.lxd.clone() }),
        Observed::Absent => "there is no such image".to_owned(),
        Observed::Unknown(reason) => reason.clone(),
    };
    let Some((release, digest)) = made else { return Err(no_image(machine, &why)) };
    let because = format!("no image {} can be had ({why})", wanted.lxd);
    let tools = (!state.image_tools.is_empty()).then(|| state.image_tools.clone());
    let cache = inputs.paths.cache();
    let step = ImageAction::EnsureBase { release: release.clone(), digest: digest.clone(), cache };
    let make = Some(Make { because, timeout: MAKE, step });
    Ok(Chosen { image: ImageChoice::Base { digest }, base: Base::Plain, make, tools })
}

fn no_image(machine: &LxdMachine, why: &str) -> PlanError {
    let wanted = &machine.blueprint.image.lxd;
    let list = match wanted.split_once(':') {
        Some((remote, _)) => argv::join(["lxc", "image", "list", &format!("{remote}:")]),
        None => argv::join(["lxc", "image", "list"]),
    };
    let advice = match machine.instance {
        InstanceKind::Container => "or give the blueprint a release of Debian to make an image of, with `debian`",
        InstanceKind::VirtualMachine => "an image of a virtual machine cannot be made here, only fetched",
    };
    PlanError::Machine {
        cause: format!("LXD has no image {wanted}: {why}"),
        advice: format!("look at `{list}`; {advice}"),
        is_tool: false,
    }
}

/// The alias that the blueprint names, where this host has an image of it.
fn local<'a>(machine: &'a LxdMachine, state: &LxdState) -> Option<&'a str> {
    let wanted = &machine.blueprint.image.lxd;
    let alias = wanted.strip_prefix("local:").unwrap_or(wanted);
    state.alias(alias).filter(|image| image.kind == machine.instance).map(|_| alias)
}

fn is_base(image: &Image, digest: &str) -> bool {
    image.properties.get(property::BASE).is_some_and(|is| is == digest)
}

/// What distinguishes the image that an instance starts from: its fingerprint, or its name at the remote, whose images change
/// their fingerprints with every day.
fn identity_of(machine: &LxdMachine, state: &LxdState, image: &ImageChoice) -> Option<String> {
    match image {
        ImageChoice::Alias { alias } => state.alias(alias).map(|image| image.fingerprint.clone()),
        ImageChoice::Base { digest } => {
            state.images.iter().find(|image| is_base(image, digest)).map(|image| image.fingerprint.clone())
        }
        ImageChoice::Remote { .. } => Some(machine.blueprint.image.lxd.clone()),
        ImageChoice::Baked { .. } => None,
    }
}

/// The digest of what an image is baked of. Of the blueprint counts what comes into the image; how large the machine is comes
/// with its profile.
fn key(blueprint: &Blueprint, plain: &UserData, of: &str) -> String {
    let Blueprint { name, image, cloud_init, .. } = blueprint;
    digest::of(&(name, image, cloud_init, &plain.bake, &plain.packages, of))
}

fn baked<'a>(state: &'a LxdState, key: &str) -> Option<&'a Image> {
    state.images.iter().find(|image| image.properties.get(property::BAKE).is_some_and(|is| is == key))
}

/// The name of the temporary copy that an image is made of.
pub fn copy_name(id: &EnvId) -> String {
    let random = id.as_str().rsplit_once('-').map_or(id.as_str(), |(_, random)| random);
    format!("report-bake-{random}")
}

/// The alias of the image of that key.
pub fn baked_alias(key: &str) -> String {
    format!("report-baked-{}", key.get(..12).unwrap_or(key))
}

/// Adds the steps that bake an image from the machine, where one is wanted, and otherwise takes away what a run that was cut
/// off has left of that. They come after nothing, so that the stack is brought up beside them.
///
/// Errors: the user-data cannot be rendered.
pub(super) fn add(
    inputs: &Inputs<'_>,
    machine: &LxdMachine,
    state: &LxdState,
    instance: &Instance,
    draft: &mut Draft,
) -> Result<(), PlanError> {
    let (copy, id) = (copy_name(inputs.id), inputs.id.clone());
    let tidy = ImageAction::Tidy { copy: copy.clone(), id: id.clone() };
    let Some((plain, of)) = bakeable(inputs, machine, state, instance)? else {
        if state.leftovers.iter().any(|left| left.kind == Kind::Instance && left.name == copy) {
            draft.add("bake/tidy", [], "a run that was cut off has left it", COPY, LxdAction::Image { step: tidy });
        }
        return Ok(());
    };
    let image = instance.image.clone().unwrap_or_default();
    let key = key(&machine.blueprint, &plain, &of);
    let steps = [
        (
            COPY_STEP,
            None,
            "the next machine like this one starts from an image of it",
            COPY,
            ImageAction::Copy { from: instance.name.clone(), copy: copy.clone(), id: id.clone() },
        ),
        (
            CLEAN_STEP,
            Some(COPY_STEP),
            "an image holds nothing that is one machine's own",
            CLEAN,
            ImageAction::Clean { copy: copy.clone(), id: id.clone(), marker: plain.marker.path },
        ),
        (
            PUBLISH_STEP,
            Some(CLEAN_STEP),
            "no image of what its user-data installs is there",
            COPY,
            ImageAction::Publish { copy, id, key, blueprint: machine.blueprint.name.clone(), of: image },
        ),
        ("bake/tidy", Some(PUBLISH_STEP), "the copy was there for the image alone", COPY, tidy),
    ];
    for (step, after, because, timeout, action) in steps {
        draft.add(step, after.map(str::to_owned), because, timeout, LxdAction::Image { step: action });
    }
    Ok(())
}

/// The user-data of the machine and what its image was, where an image shall be baked of it: it was made from a plain one
/// with just this user-data, its snapshot is there, and there is no image of that yet.
fn bakeable(
    inputs: &Inputs<'_>,
    machine: &LxdMachine,
    state: &LxdState,
    instance: &Instance,
) -> Result<Option<(UserData, String)>, PlanError> {
    let (true, InstanceKind::Container, Some(fingerprint)) = (machine.bake, instance.kind, &instance.image) else {
        return Ok(None);
    };
    let LxdMachine { blueprint, authorized_keys, .. } = machine;
    let plain = cloud_init::user_data(inputs.env, blueprint, authorized_keys, Substrate::Lxd, Base::Plain).map_err(
        |error| PlanError::Machine {
            cause: format!("the user-data of the blueprint {} cannot be rendered: {error}", blueprint.name),
            advice: "reportctl validate".to_owned(),
            is_tool: false,
        },
    )?;
    let is_plain = instance.marker.present().is_some_and(|text| *text == plain.marker.text);
    if !is_plain || !instance.snapshots.contains(SNAPSHOT) {
        return Ok(None);
    }
    let is_here = |image: &&Image| {
        let alias = local(machine, state).is_some_and(|alias| image.aliases.contains(alias));
        image.fingerprint == *fingerprint && (alias || image.properties.contains_key(property::BASE))
    };
    let of = match state.images.iter().find(is_here) {
        Some(image) => image.fingerprint.clone(),
        None => blueprint.image.lxd.clone(),
    };
    Ok(baked(state, &key(blueprint, &plain, &of)).is_none().then_some((plain, of)))
}

/// Says which images stay when an environment goes.
pub(super) fn note_left(state: &LxdState, draft: &mut Draft) {
    let ours = |image: &&Image| [property::BAKE, property::BASE].iter().any(|key| image.properties.contains_key(*key));
    let images: Vec<&Image> = state.images.iter().filter(ours).collect();
    if images.is_empty() {
        return;
    }
    let names: Vec<&str> =
        images.iter().map(|image| image.aliases.first().unwrap_or(&image.fingerprint).as_str()).collect();
    let mebibytes = images.iter().map(|image| image.size.bytes() >> 20).sum::<u64>();
    draft.note(format!(
        "images of LXD that the next machine starts from: {} ({mebibytes} MiB); `reportctl bake prune` removes the baked ones, with --all all of them",
        names.join(", ")
    ));
}
