/**
 * Texts that are written by a ring of devices: the actor that tells the ring what to do, and those
 * who ask it.
 */
package org.ringworld.actors.serving;
