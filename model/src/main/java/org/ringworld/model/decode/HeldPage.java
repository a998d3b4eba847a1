package org.ringworld.model.decode;

/**
 * A full page that a rank has.
 *
 * @param number of the page in its memory
 * @param key of what it holds
 * @param index of the page in every text that has it
 */
public record HeldPage(int number, PageKey key, int index) {}
