/**
 * Small worlds of coloured shapes, made up: pictures and videos with captions and questions, to
 * train a model of images and to measure it with nothing downloaded. Begin with {@link WorldTask}.
 */
package org.ringworld.tokenizer.worlds;
