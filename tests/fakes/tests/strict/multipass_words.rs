//! The words and exit codes of the fake `multipass`, each as the real one says it.

use crate::multipass::Bench;

#[test]
fn the_client_refuses_what_it_does_not_know() {
    let bench = Bench::new("1.16.3");
    for (args, err) in [
        (&["list", "--foo"][..], "Unknown option 'foo'.\n"),
        (&["list", "x"], "This command takes no arguments\n"),
        (&["list", "--format", "xml"], "Invalid format type given.\n"),
        (&["launch", "--cpus", "x"], "Error: invalid CPU count 'x', need a positive integer value.\n"),
        (&["launch", "--cpus", "0"], "Error: invalid CPU count '0', need a positive integer value.\n"),
        (&["launch", "--timeout", "x"], "error: --timeout value has to be a positive integer\n"),
        (&["launch", "--timeout", "0"], "error: --timeout value has to be a positive integer\n"),
        (&["launch", "a", "b"], "Too many arguments supplied\n"),
        (&["launch", "--zone", "zone1"], "Unknown option 'zone'.\n"),
        (&["exec", "box"], "Wrong number of arguments\n"),
        (
            &["exec", "-n", "-d", "/", "box", "true"],
            "Options --working-directory and --no-map-working-directory clash\n",
        ),
        (&["delete"], "Name argument or --all is required\n"),
        (&["start", "--all", "x"], "Cannot specify name when --all option set\n"),
        (&["start", "--all", "x", "y"], "Cannot specify names when --all option set\n"),
        (&["get", "client.none"], "Unrecognized settings key: 'client.none'\n"),
    ] {
        bench.fails(args, 1, err);
    }
    let hint = bench.run(&["exec", "box", "ls", "-l"]);
    assert!(hint.code == Some(1) && hint.err.starts_with("Unknown option 'l'.") && hint.err.contains("after \"--\""));
    let size = bench.run(&["launch", "--disk", "1CiG"]);
    assert_eq!(size.code, Some(1));
    let text = "[error] [client] Caught an unhandled exception: 1CiG is not a valid memory size - need a non-negative \
                integer (in base 10) or a decimal followed by K, M, or G (e.g. 1234B, 42MiB, 0.5G)\n";
    assert!(size.err.ends_with(text), "{}", size.err);
}

#[test]
fn an_unknown_command_is_told_on_standard_output() {
    let bench = Bench::new("1.16.3");
    let done = bench.run(&["x"]);
    let text = "Error: Unknown command or alias 'x' (try \"multipass help\" or \"multipass aliases\")\n";
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (Some(1), text, ""));
    let none = bench.run(&[]);
    assert!(none.code == Some(2) && none.out.contains("Available commands") && none.err.is_empty());
    for args in [&["help", "launch"], &["launch", "--help"]] {
        let done = bench.good(args);
        assert!(done.out.contains("launch") && done.out.contains("fake"), "{}", done.out);
    }
}

#[test]
fn the_daemon_refuses_in_its_own_words() {
    let bench = Bench::new("1.16.3");
    for (args, err) in [
        (&["launch", "--name", "1x"][..], "Invalid arguments supplied\nInvalid instance name supplied: 1x\n"),
        (&["launch", "--memory", "64M"], "Invalid arguments supplied\nInvalid memory size value supplied: 64M.\n"),
        (&["launch", "--disk", "100M"], "Invalid arguments supplied\nInvalid disk size value supplied: 100M.\n"),
        (&["launch", "--network", "none"], "Invalid arguments supplied\nInvalid network options supplied\n"),
        (
            &["launch", "--bridged"],
            "You have to `multipass set local.bridged-network=<name>` to use the \"bridged\" shortcut.\n",
        ),
        (&["launch", "foo"], "Unable to find an image matching \"foo\" in remote \"\".\n"),
        (
            &["launch", "x:foo"],
            "Remote 'x' is not found. Please use `multipass find` for supported remotes and images.\n",
        ),
        (&["launch", "daily:"], "Must specify an image when specifying a remote\n"),
        (&["launch", "file:///p"], "Custom image `/p` does not exist.\n"),
        (
            &["launch", "--disk", "1G"],
            "Requested disk (1073741824 bytes) below minimum for this image (3758096384 bytes)\n",
        ),
    ] {
        bench.fails(args, 2, &format!("launch failed: {err}"));
    }
    for (fault, err) in [
        ("image-missing", "Unable to find an image matching \"\" in remote \"\".\n"),
        (
            "manifest-unreachable",
            "Remote \"\" is unknown or unreachable. If image mirror is enabled, please confirm it is valid.\n",
        ),
        ("disk-full", "Available disk (1073741824 bytes) below minimum for this image (3758096384 bytes)\n"),
    ] {
        bench.faults(&format!("multipass/{fault}"));
        bench.fails(&["launch", "--name", "box"], 2, &format!("launch failed: {err}"));
        assert_eq!(bench.state("box"), None, "{fault}");
    }
    bench.faults("multipass/hash-mismatch");
    let broken = bench.run(&["launch", "--name", "box"]);
    assert!(broken.err.starts_with("launch failed: Hash of /") && broken.err.contains(" does not match "));
    bench.good(&["find", "--force-update"]);
    bench.launched("box");
}

#[test]
fn who_cannot_reach_the_daemon_is_told_why() {
    let bench = Bench::new("1.16.3");
    for (fault, err) in [
        ("daemon-down", "list failed: cannot connect to the multipass socket\n"),
        ("socket-denied", "list failed: multipass socket access denied\n"),
        (
            "unauthenticated",
            "list failed: The client is not authenticated with the Multipass service.\nPlease use 'multipass authenticate' \
             before proceeding.\n",
        ),
    ] {
        bench.faults(&format!("multipass/{fault}"));
        bench.fails(&["list"], 2, err);
        let version = bench.good(&["version", "--format", "json"]);
        assert_eq!(version.out, "{\n    \"multipass\": \"1.16.3\"\n}\n");
    }
    bench.faults("multipass/daemon-down=2");
    assert_eq!([(); 3].map(|()| bench.run(&["list"]).code), [Some(2), Some(2), Some(0)]);
}

#[test]
fn the_generations_differ() {
    let (stable, next) = (Bench::new("1.16.3"), Bench::new("1.17"));
    stable.good(&["launch", "--name", "box", "--mem", "1G"]);
    next.fails(&["launch", "--name", "box", "--mem", "1G"], 1, "Unknown option 'mem'.\n");
    next.good(&["launch", "--name", "box", "--zone", "zone2"]);
    next.fails(
        &["launch", "--memory", "256M"],
        2,
        "launch failed: Invalid arguments supplied\nInvalid memory size value supplied: 256M.\n",
    );
    next.good(&["wait-ready"]);
    assert_eq!(stable.run(&["wait-ready"]).code, Some(1));
    let both = |bench: &Bench| bench.good(&["version", "--format", "json"]).out;
    assert_eq!(both(&stable), "{\n    \"multipass\": \"1.16.3\",\n    \"multipassd\": \"1.16.3\"\n}\n");
    assert!(both(&next).contains("\"multipass\": \"1.17.0-dev"));
    stable.good(&["find", "--only-images"]);
    next.fails(&["find", "--only-images"], 1, "Unknown option 'only-images'.\n");
    assert!(
        stable.good(&["find", "--format", "json"]).out.starts_with("{\n    \"blueprints (deprecated)\": {\n    },\n")
    );
    assert!(next.good(&["find", "--format", "json"]).out.contains("\"remote\": \"release\""));
}

#[test]
fn lifecycle_commands_fail_as_a_whole() {
    let bench = Bench::new("1.16.3");
    bench.launched("box");
    bench.fails(&["start", "none"], 2, "start failed: instance(s) missing\nInstance 'none' does not exist.\n");
    let missing = "delete failed: The following errors occurred:\ninstance \"none\" does not exist\n";
    bench.fails(&["delete", "box", "none"], 2, missing);
    assert_eq!(bench.state("box").as_deref(), Some("Running"));
    bench.good(&["suspend", "box"]);
    assert_eq!(bench.state("box").as_deref(), Some("Suspended"));
    let text = "stop failed: The following errors occurred:\nCannot shut down suspended instance box.\nUse --force to \
                power it off.\n";
    bench.fails(&["stop", "box"], 2, text);
    bench.good(&["start", "box"]);
    bench.good(&["restart", "box"]);
    bench.good(&["stop", "-t", "5", "box"]);
    assert_eq!(bench.state("box").as_deref(), Some("Delayed Shutdown"));
    let text = "\"box\" is scheduled to shut down in less than a minute, use 'multipass stop --cancel box' to cancel the \
                shutdown.\n";
    bench.fails(&["exec", "-n", "box", "--", "true"], 2, text);
    bench.good(&["stop", "--cancel", "box"]);
    bench.good(&["exec", "-n", "box", "--", "true"]);
    bench.good(&["delete", "box"]);
    let text = "start failed: instance(s) missing\nInstance 'box' is deleted. Use 'recover' to recover it or 'purge' to \
                permanently delete it.\n";
    bench.fails(&["start", "box"], 2, text);
    bench.good(&["purge"]);
    assert_eq!(bench.state("box"), None);
}

#[test]
fn settings_are_read_and_written() {
    let bench = Bench::new("1.16.3");
    bench.launched("box");
    assert_eq!(bench.good(&["get", "local.driver"]).out, "qemu\n");
    assert_eq!(bench.good(&["get", "local.box.memory"]).out, "1.0GiB\n");
    assert_eq!(bench.good(&["get", "local.bridged-network"]).out, "<empty>\n");
    assert_eq!(bench.good(&["get", "--raw", "local.bridged-network"]).out, "\n");
    let text = "set failed: Cannot update instance settings; instance: box; reason: Instance must be stopped for \
                modification\n";
    bench.fails(&["set", "local.box.cpus=2"], 2, text);
    bench.good(&["stop", "box"]);
    bench.good(&["set", "local.box.cpus=2"]);
    assert_eq!(bench.good(&["get", "local.box.cpus"]).out, "2\n");
    let text = "set failed: Cannot update instance settings; instance: box; reason: Disk can only be expanded\n";
    bench.fails(&["set", "local.box.disk=1G"], 2, text);
}
