mod calls;
mod threads;
mod voices;
mod world;
