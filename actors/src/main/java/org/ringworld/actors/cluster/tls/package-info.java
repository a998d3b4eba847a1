/**
 * Mutual TLS of all ports of a node, from PEM files. Begin with {@link Tls} and {@link Identity},
 * which finds what is wrong with keys and certificates when they are read; {@link GuardedEngine}
 * and {@link ArteryTls} say who was refused later.
 */
package org.ringworld.actors.cluster.tls;
