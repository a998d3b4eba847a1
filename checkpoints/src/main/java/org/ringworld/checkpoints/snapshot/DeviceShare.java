package org.ringworld.checkpoints.snapshot;

/**
 * What a device of a ring has of every row.
 *
 * @param kind of the device: those of one kind can stand in for each other
 */
public record DeviceShare(String kind, int sixteenths) {}
