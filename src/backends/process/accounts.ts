/**
 * Users and groups by name or number, from /etc/passwd and /etc/group (passwd(5), group(5)). Other sources of accounts
 * (LDAP, systemd-homed) are not asked: their users are given by number.
 *
 * @module
 */
import { ValueError } from "../../values/readers.ts";

/** Whom a process runs as. */
export interface Account {
  uid: number;
  gid: number;
  /** The user's name, home directory and shell, where /etc/passwd has them. */
  name?: string;
  home?: string;
  shell?: string;
}

/** Whom a process is to run as, by names or numbers. */
export interface User {
  user: string;
  group?: string;
}

/** `USER` or `USER:GROUP`. */
export function readUser(text: string): User {
  const [, user, group] = /^([^:]+)(?::([^:]+))?$/.exec(text) ?? [];
  if (user === undefined) throw new ValueError("USER or USER:GROUP");
  return { user, group };
}

const isNumber = (text: string) => /^\d+$/.test(text);

function entries(file: string): string[][] {
  return Deno.readTextFileSync(file).split("\n").map((line) => line.split(":"));
}

/** The entry whose name (first field) or, for a number, whose id (third field) that is. */
function lookup(file: string, key: string): string[] | undefined {
  return entries(file).find((fields) => fields[0] === key) ??
    entries(file).find((fields) => isNumber(key) && fields[2] === key);
}

/**
 * The account of a user. Without a group it is the user's own.
 *
 * Throws an `Error` that names the part which is not known and says what to do.
 */
export function resolveAccount(
  { user, group }: User,
  passwdFile = "/etc/passwd",
  groupFile = "/etc/group",
): Account {
  const passwd = lookup(passwdFile, user);
  if (passwd === undefined && !isNumber(user)) {
    throw new Error(
      `no user "${user}" in ${passwdFile}: add it, or give its number`,
    );
  }
  if (passwd === undefined && group === undefined) {
    throw new Error(
      `no user with number ${user} in ${passwdFile}: name its group too, ${user}:GROUP`,
    );
  }
  const gid = group === undefined
    ? passwd![3]
    : lookup(groupFile, group)?.[2] ?? group;
  if (!isNumber(gid)) {
    throw new Error(
      `no group "${gid}" in ${groupFile}: add it, or give its number`,
    );
  }
  return {
    uid: Number(passwd?.[2] ?? user),
    gid: Number(gid),
    name: passwd?.[0],
    home: passwd?.[5],
    shell: passwd?.[6],
  };
}
