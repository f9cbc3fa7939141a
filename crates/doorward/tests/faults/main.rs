//! A bad network between `doorward` and its servers: each fault, at each kind of request, ends in success or in words,
//! inside the time that the program promises. None hangs, none repeats a call, none panics.

mod calls;
mod logins;
mod tls;
mod trace;
mod world;
