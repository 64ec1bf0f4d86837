//! RADIUS packets.
