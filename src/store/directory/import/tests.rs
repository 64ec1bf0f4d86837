//! Claims about import files.

use super::*;

const HASH: &str = "$2b$04$abcdefghijklmnopqrstuupKOzayPgz8ch492iZUHPqoUSp6a5jQS";

fn read(text: &str, format: Format) -> Result<Vec<ImportRow>, Vec<String>> {
    parse(text, format, &PasswordRules::new(8, 64, ["Northfield"]))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn csv(text: &str) -> Result<Vec<ImportRow>, Vec<String>> {
    read(text, Format::Csv)
}

#[test]
fn csv_and_toml_give_the_same_people() {
    let rows = csv(&format!(
        "\u{feff}username,name,roles,groups,email,phone,password,password_hash\r\n\
         Ann,\"Okafor, Ann\",staff;faculty;staff,vpn; lab ,ann@example.org,+49 30 1234567,\" lantern, \"\"umbrella\",\r\n\
         \r\n\
         bob,,,,,,,{HASH}\r\n\
         cyd,,,,,,,\r\n"
    ))
    .unwrap();
    let toml = read(
        &format!(
            "[[person]]\nusername = \"Ann\"\nname = \"Okafor, Ann\"\nroles = [\"staff\", \"faculty\"]\n\
             groups = \"vpn; lab\"\nemail = \"ann@example.org\"\nphone = \"+49 30 1234567\"\n\
             password = ' lantern, \"umbrella'\n\n[[person]]\nusername = \"bob\"\npassword_hash = \"{HASH}\"\n\
             [[person]]\nusername = \"cyd\"\n"
        ),
        Format::Toml,
    )
    .unwrap();
    for rows in [&rows, &toml] {
        let names: Vec<_> = rows.iter().map(|row| row.username.as_str()).collect();
        assert_eq!(names, ["ann", "bob", "cyd"]);
        assert_eq!(rows[0].name, "Okafor, Ann");
        assert_eq!(rows[0].roles, [Role::Faculty, Role::Staff]);
        assert_eq!(rows[0].groups, ["lab", "vpn"]);
        assert_eq!(rows[0].email.as_deref(), Some("ann@example.org"));
        assert_eq!(rows[1].phone, None);
        let Some(Credential::Password(password)) = &rows[0].credential else { panic!() };
        assert_eq!(password.expose(), " lantern, \"umbrella");
        let Some(Credential::Hash(hash)) = &rows[1].credential else { panic!() };
        assert_eq!(hash.expose(), HASH);
        assert!(rows[2].credential.is_none());
    }
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4, 5]);
    assert_eq!(toml.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 10, 13]);
}

#[test]
fn every_error_is_told_with_its_line_and_nothing_is_imported() {
    let errors = csv("username,roles,email,phone,password,password_hash\n\
         ann,staff,,,lantern umbrella,\n\
         a b,king,nobody,call me,,\n\
         ANN,,,,,plain\n\
         bob,,,,short,\n\
         cyd,,,,lantern umbrella,$6$x$y\n\
         dan,,\n\
         eve,,,,,$6$rounds=9999999$abcdefgh$TzIIp.LUDa/W8IGo5X.RsIlqKMDXd.L4i9gDMQT21tccBMvmkvEF9Q6HKn2QhYejsm9FK2OGSUtETsPGuAFCU1\n")
        .unwrap_err();
    let starts = [
        "line 3: a username consists of",
        "line 3: roles: \"king\" is none of faculty",
        "line 3: email:",
        "line 3: phone:",
        "line 4: this username is in line 2 already",
        "line 4: password_hash: this is not a password hash; a plain password belongs in `password`",
        "line 5: password: use at least 8 characters",
        "line 6: give either password or password_hash",
        "line 7: 3 fields where the header has 6",
        "line 8: password_hash: this sha-crypt hash asks for too much work",
    ];
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error}");
    }
}

#[test]
fn toml_errors_have_lines_too() {
    let errors = read(
        "[[person]]\nusername = \"ann\"\nshoe = 44\nroles = [1]\npassword = 12345678\n[people]\nx = 1\n",
        Format::Toml,
    )
    .unwrap_err();
    let starts =
        ["line 3: there is no key", "line 4: roles:", "line 5: password:", "line 6: there is no \"people\""];
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error}");
    }
    let errors = read("[[person]]\nusername = \"ann\"\n[person\n", Format::Toml).unwrap_err();
    assert!(errors[0].starts_with("line 3: this is not TOML"), "{errors:?}");
    let errors = read("[person]\nusername = \"ann\"\n", Format::Toml).unwrap_err();
    assert_eq!(errors, ["line 1: write [[person]] with two brackets"]);
}

#[test]
fn headers_are_checked_before_people() {
    assert!(csv("").unwrap_err()[0].starts_with("line 1: the file is empty"));
    assert!(csv("username\n").unwrap_err()[0].contains("nobody"));
    assert!(csv("ann,hunter2-hunter2\n").unwrap_err()[0].starts_with("line 1: the first line must name"));
    let errors = csv("username,Name,shoe,name\nann,,,\n").unwrap_err();
    assert_eq!(errors.len(), 2);
    assert!(errors[0].contains("\"shoe\"") && errors[1].contains("twice"), "{errors:?}");
}

#[test]
fn neither_errors_nor_debug_show_secrets() {
    let secret = "hunter2-zebra";
    let all = [
        csv(&format!("{secret},x\n")),
        csv(&format!("username,password\nann,{secret},{secret}\n")),
        csv(&format!("username,password,password_hash\nann,{secret},{secret}\n")),
        csv(&format!("username,password_hash\nann,{secret}\n")),
        csv(&format!("username,password\nx{secret},{secret}\nann,x{secret}\u{1}\n")),
        read(&format!("[[person]]\nusername = \"ann\"\npassword = \"{secret}\n"), Format::Toml),
        read(&format!("[[person]]\nusername = \"ann\"\npassword = {secret}\n"), Format::Toml),
        read(&format!("[[person]]\nusername = \"ann\"\npassword = [\"{secret}\"]\n"), Format::Toml),
    ];
    for result in all {
        let errors = result.unwrap_err().join("\n");
        assert!(!errors.contains(secret), "{errors}");
    }
    let rows = csv(&format!("username,password\nann,{secret}\n")).unwrap();
    assert!(!format!("{rows:?}").contains(secret));
}
