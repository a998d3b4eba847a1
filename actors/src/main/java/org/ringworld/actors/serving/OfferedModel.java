package org.ringworld.actors.serving;

/**
 * A saved model that a cluster serves.
 *
 * @param id of its serving in the cluster's queue
 * @param name in the API
 * @param model its path, one of every member's
 * @param settings {@code key=value}, a line each, that it is served with
 * @param capacity tokens that there is room for, of all texts together
 */
public record OfferedModel(String id, String name, String model, String settings, long capacity) {}
