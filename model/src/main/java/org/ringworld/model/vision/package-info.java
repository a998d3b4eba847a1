/**
 * Images as codes and back: what LWM's transformer reads and writes of pictures and video. Begin
 * with {@link ImageTokenizer} and its two kinds, {@link Vqgan}, whose network is a list of {@link
 * VqganLayer}s that {@link VqganConfig} makes, and {@link PatchVq}, which is trained in seconds;
 * {@link TokenizerRing} spreads frames over devices.
 */
package org.ringworld.model.vision;
