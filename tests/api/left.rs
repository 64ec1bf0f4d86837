//! Keys of an application that the configuration names no more.

use crate::duo::{Duo, now};
use crate::world::{World, form};

// R-API-1
#[test]
fn key_of_an_application_that_is_named_no_more_counts_for_nothing_and_is_told() {
    let world = World::start();
    let duo = Duo::of(&world, "other-sign-on");
    let (id, secret) = (duo.key.id.as_str(), duo.key.secret.as_str());
    let sign_in =
        |name: &str| world.send("POST", "/auth", &[], &form(&[("username", name), ("password", secret)]));
    let token = sign_in(id).body["result"]["value"]["token"].as_str().unwrap().to_owned();
    let shown = |what: &str| {
        let fields = form(&[("user", "amara"), ("pass", "x")]);
        world.send("POST", "/validate/check", &[("authorization", what)], &fields).status
    };
    // By each way in which it can be shown.
    let statuses = || {
        let signed = duo.send("GET", "/auth/v2/check", &now(), &[]).status;
        let names = [sign_in(id).status, sign_in("other-sign-on").status];
        [shown(&format!("{id}.{secret}")), shown(&token), signed, names[0], names[1]]
    };
    let named = |is: bool| {
        let (file, name) = (world.path("conf.d/tests.toml"), "name = \"other-sign-on\"");
        let text = crate::support::read(&file);
        let (from, to) = if is { ("name = \"renamed\"", name) } else { (name, "name = \"renamed\"") };
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        world.daemon.json(&["reload"])["warnings"].to_string()
    };
    let told = || {
        let listed = world.daemon.run(&["client", "list"]);
        [world.daemon.json(&["status"])["warnings"].to_string(), String::from_utf8(listed.stdout).unwrap()]
    };
    let says = |text: &String| {
        text.contains("no [[api_client]] is called `other-sign-on`")
            && text.contains(id)
            && text.contains("client revoke")
    };
    assert_eq!(statuses(), [200; 5]);
    assert!(told().iter().all(|text| !text.contains("[[api_client]]")), "{:?}", told());

    let reloaded = named(false);
    assert_eq!(statuses(), [401; 5]);
    let told_then = [vec![reloaded], told().to_vec()].concat();
    assert!(told_then.iter().all(says), "{told_then:?}");

    // The same name again: that is why it is told.
    assert!(!says(&named(true)));
    assert_eq!(statuses(), [200; 5]);
    assert!(says(&named(false)));
    assert!(world.daemon.run(&["client", "revoke", id]).status.success());
    assert!(told().iter().all(|text| !text.contains("[[api_client]]")), "{:?}", told());
    named(true);
    assert_eq!(statuses(), [401; 5]);
}
