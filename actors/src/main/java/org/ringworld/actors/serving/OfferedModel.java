package org.ringworld.actors.serving;

/**
 * A saved model that a cluster serves.
 *
 * @param id of its serving in the cluster's queue
 * @param name in the API
 * @param model its path, one of every member's
 * @param settings {@code key=value}, a line each, that it is served with
 * @param saved since when it is there, milliseconds since 1970: what a run saves in its place is
 *     another model
 * @param capacity tokens that there is room for, of all texts together
 */
public record OfferedModel(
        String id, String name, String model, long saved, String settings, long capacity) {}
