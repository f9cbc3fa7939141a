//! The whole product on real parts: the real binary, a real MCP server behind it, real Chromium pressing the real
//! buttons, the official TypeScript clients, OAuth libraries, the official suite, and `doorward connect` itself.

mod bridge;
mod child;
mod command_line;
mod documents;
mod enterprise;
mod enterprise_login;
mod eras;
mod first_contact;
mod foreign_clients;
mod from_mcp_remote;
mod libraries;
mod network;
mod official_suite;
mod pages;
mod real_servers;
mod robots;
mod servers;
mod signing_in;
mod storage;
mod strange_servers;
mod trace;
mod web_site;
mod without_people;
mod world;
