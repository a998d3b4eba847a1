package org.ringworld.model.training.coordination;

/** Tells a device from all others, also from one that had its place before it. */
public record DeviceId(String name) {
    @Override
    public String toString() {
        return name;
    }
}
