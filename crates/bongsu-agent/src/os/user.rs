//! The users that programs run as: who they are by the machine's own files, and how one thread becomes one.
//!
//! Invariant: a program that is to run as somebody runs as nobody else: what cannot be had is an error.

use std::io;
use std::path::PathBuf;

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use serde::{Deserialize, Serialize};

/// A user of this machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    /// The name.
    pub(crate) name: String,
    /// The number.
    pub(crate) uid: u32,
    /// The number of the group.
    pub(crate) gid: u32,
    /// The numbers of all groups.
    pub(crate) groups: Vec<u32>,
    /// The home.
    pub(crate) home: PathBuf,
}

/// Why somebody cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NoUser {
    /// The files of users cannot be read.
    #[error("the machine's users cannot be read")]
    Unreadable(#[source] io::Error),
    /// There is none of that name or number in them.
    #[error("there is no user {0} in /etc/passwd")]
    Unknown(String),
    /// Only root becomes somebody else.
    #[error("only root can run programs as {0}")]
    NotRoot(String),
}

impl Account {
    /// The user of that name or number, if this process may become it.
    pub(crate) fn find(who: &str) -> Result<Self, NoUser> {
        let read = |path| std::fs::read_to_string(path).map_err(NoUser::Unreadable);
        let account = Self::parse(who, &read("/etc/passwd")?, &read("/etc/group")?);
        let account = account.ok_or_else(|| NoUser::Unknown(who.to_owned()))?;
        let me = geteuid();
        if me.is_root() || me.as_raw() == account.uid {
            Ok(account)
        } else {
            Err(NoUser::NotRoot(account.name))
        }
    }

    /// Becomes it, in this thread alone and for good: what the thread starts is it.
    pub(crate) fn become_it(&self) -> io::Result<()> {
        if geteuid().as_raw() == self.uid && !geteuid().is_root() {
            return Ok(());
        }
        let groups: Vec<Gid> = self.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }

    fn parse(who: &str, passwd: &str, group: &str) -> Option<Self> {
        let number: Option<u32> = who.parse().ok();
        let mut account = passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let (name, uid) = (*fields.first()?, fields.get(2)?.parse().ok()?);
            let gid = fields.get(3)?.parse().ok()?;
            (name == who || number == Some(uid)).then(|| Self {
                name: name.to_owned(),
                uid,
                gid,
                groups: vec![gid],
                home: fields
                    .get(5)
                    .filter(|home| !home.is_empty())
                    .map_or("/", |home| home)
                    .into(),
            })
        })?;
        for line in group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [_, _, gid, members, ..] = &fields[..]
                && members.split(',').any(|member| member == account.name)
                && let Ok(gid) = gid.parse()
                && !account.groups.contains(&gid)
            {
                account.groups.push(gid);
            }
        }
        Some(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nkiosk:x:1001:1002:Kiosk:/srv/kiosk:/bin/sh\nbare:x:7:7::";
    const GROUP: &str = "root:x:0:\nvideo:x:44:kiosk,other\naudio:x:29:other\nkiosk:x:1002:kiosk\n";

    #[test]
    fn a_user_is_found_by_name_and_number_with_all_groups() {
        let kiosk = Account::parse("kiosk", PASSWD, GROUP).unwrap();
        assert_eq!((kiosk.uid, kiosk.gid), (1001, 1002));
        assert_eq!(kiosk.groups, [1002, 44]);
        assert_eq!(kiosk.home, PathBuf::from("/srv/kiosk"));
        assert_eq!(Account::parse("1001", PASSWD, GROUP), Some(kiosk));
        assert_eq!(
            Account::parse("bare", PASSWD, GROUP).unwrap().home,
            PathBuf::from("/")
        );
        assert_eq!(Account::parse("nobody-here", PASSWD, GROUP), None);
    }

    #[test]
    fn one_who_is_not_there_is_said() {
        let unknown = Account::find("no such user: at all");
        assert!(matches!(unknown, Err(NoUser::Unknown(_))));
    }
}
